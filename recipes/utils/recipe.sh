# What the recipes' run.sh have in common; to be sourced after parse_options.sh. It uses the options of
# recipe_options.sh, and version.

# What a dependency of Asteroid says about its own dependencies is not news.
export PYTHONWARNINGS="ignore:pkg_resources is deprecated:UserWarning${PYTHONWARNINGS:+,$PYTHONWARNINGS}"

. utils/stages.sh
check_stages -1 3

if [ -n "$system" ]; then
    [ "$stage" -eq 2 ] || fail "system is for stage 2 alone: --stage 2 --system $system"
    stop_stage=2
fi

# can_fetch NAME FOLDER VERSIONS...: checks what stage -1 needs; NAME is the option of the folder.
can_fetch() {
    local name=$1 folder=$2
    shift 2
    [ -n "$folder" ] || fail "$name must be the folder to download to"
    [[ " $* " == *" $version "* ]] || fail "there is no version $version, but $*"
    mkdir -p "$folder" 2>/dev/null && [ -w "$folder" ] ||
        fail "$name must be a folder to write to, got $folder"
    [ -z "$checksum" ] || [[ $checksum =~ ^(md5|sha256):[0-9a-f]+$ ]] ||
        fail "checksum must be md5:... or sha256:..., got $checksum"
}

# Checks what can be known at once, and writes the configuration of this experiment.
begin() {
    [[ $tag =~ ^[A-Za-z0-9._-]+$ ]] || fail "tag must be of letters, digits and ._-, got '$tag'"
    command -v "$python_path" >/dev/null || fail "python_path must be a Python, got $python_path"
    expdir=exp/$tag
    [[ $n_jobs =~ ^[1-9][0-9]*$ ]] || fail "n_jobs must be a number of processes, got $n_jobs"
    [[ $push,$private =~ ^(true|false),(true|false)$ ]] ||
        fail "push and private must be true or false, got $push and $private"
    local answer source new
    new=$(mktemp)
    trap 'rm -f "'"$new"'"' EXIT
    # Sets sources, those of stage 1, joint_sources, those of its pretraining, and test_sources, those
    # of stage 2.
    answer=$("$python_path" utils/conf.py "$conf" --set "$set" --sources "$sources" \
        --stages "$stage" "$stop_stage" --before "$expdir/conf.yml" -o "$new") || exit 2
    eval "$answer"
    if runs 2 && [ -z "$system" ]; then
        for source in $test_sources; do
            { runs 1 && [[ " $sources " == *" $source "* ]]; } ||
                [ -f "$expdir/priors/$source/model.safetensors" ] ||
                fail "stage 2 separates ${test_sources// /,}, there is no prior of $source in" \
                    "$expdir (train it, or --set evaluation.sources=[...], or --stop_stage 1)"
        done
    fi
    if ! runs 0 && { runs 1 || runs 2; }; then
        [ -f "$data_dir/manifest.json" ] ||
            fail "data_dir must be what stage 0 made, there is no $data_dir/manifest.json"
    fi
    if runs 3 && [ "$push" = true ] && ! [[ $repo_id =~ ^[^/]+/[^/]+$ ]]; then
        fail "repo_id must be user/name to push to, got '$repo_id'"
    fi
    # Unset, it would hide all GPUs; the separation takes the first.
    if [ -n "$id" ]; then export CUDA_VISIBLE_DEVICES=$id; fi
    mkdir -p "$expdir/logs"
    cmp -s "$new" "$expdir/conf.yml" || cat "$new" >"$expdir/conf.yml"
    echo "$0: the experiment is in $expdir"
}

# once MARKER [options of once.py] -- COMMAND: unless it is done. What it says is kept in a log.
once() {
    local marker=$1 log=${1##*/}
    log=$expdir/logs/${log#.}.log
    shift
    local command=("$python_path" utils/once.py "$marker" --conf "$expdir/conf.yml" "$@")
    if [ -n "$in_background" ]; then
        echo "$0: see $log"
        "${command[@]}" >>"$log" 2>&1
    else
        # tee must outlive Ctrl-C, after which the command has yet to write its checkpoint.
        "${command[@]}" 2>&1 | tee -i -a "$log"
    fi
}

fetch() { # fetch DATASET FOLDER OUTPUTS...: stage -1; these must come of it
    local dataset=$1 folder=$2
    shift 2
    once "$folder/.download" --values "$version" "$url" --outputs "$@" -- \
        "$python_path" utils/download.py "$dataset" "$version" --output "$folder" --url "$url" \
        --checksum "$checksum"
}

prepare() { # prepare OPTIONS: stage 0, with these options of local/prepare_data.py
    mkdir -p "$data_dir"
    once "$data_dir/.prepare" --sections dataset data --values "options: $*" \
        --outputs "$data_dir" -- "$python_path" local/prepare_data.py --conf "$expdir/conf.yml" \
        --output "$data_dir" --jobs "$n_jobs" "$@"
}

# What the encoders start from. It is made again for its own sources only: one that is added goes on
# from what is there, and leaves it as it is.
pretrain() {
    local source wanted=
    [ -f "$expdir/joint/model.safetensors" ] || wanted=true
    for source in $sources; do
        if [[ " $joint_sources " == *" $source "* ]]; then wanted=true; fi
    done
    if [ -z "$wanted" ]; then return; fi
    once "$expdir/.done/joint" --sections encoder_model pretrain \
        --inputs "$data_dir/manifest.json" \
        --outputs "$expdir"/joint/{config.json,model.safetensors} "$expdir/checkpoints/encoders" -- \
        "$python_path" utils/pretrain.py --conf "$expdir/conf.yml" --data "$data_dir" --exp "$expdir"
}

train_one() {
    local prior=$expdir/priors/$1 # train.py links its checkpoints from $expdir/checkpoints
    local inputs=("$data_dir/manifest.json")
    if [ -n "$joint_sources" ]; then inputs+=("$expdir/joint/model.safetensors"); fi
    once "$expdir/.done/prior-$1" \
        --sections model training encoder_model pretrain encoder_training others \
        --inputs "${inputs[@]}" \
        --outputs "$prior"/{config.json,model.safetensors} "$expdir/checkpoints/$1" -- \
        "$python_path" train.py "$1" --conf "$expdir/conf.yml" --data "$data_dir" --exp "$expdir"
}

# Stage 1: what the encoders start from; then one prior after the other, or one on each of the GPUs
# named by --id.
train() {
    local names=($sources) gpus pids=() gpu k failed=
    if [ -n "$joint_sources" ]; then pretrain; fi
    IFS=, read -ra gpus <<<"$id"
    if [ ${#gpus[@]} -le 1 ]; then
        for k in "${names[@]}"; do train_one "$k"; done
        return
    fi
    # Each in a process group of its own, so that Ctrl-C can be passed on.
    set -m
    for ((gpu = 0; gpu < ${#gpus[@]}; gpu++)); do
        (
            set -e
            export CUDA_VISIBLE_DEVICES=${gpus[gpu]} in_background=true
            for ((k = gpu; k < ${#names[@]}; k += ${#gpus[@]})); do train_one "${names[k]}"; done
        ) &
        pids+=($!)
    done
    set +m
    trap 'for gpu in "${pids[@]}"; do kill -TERM -- "-$gpu" 2>/dev/null || true; done' INT TERM
    for k in "${pids[@]}"; do wait "$k" || failed=1; done
    trap - INT TERM
    [ -z "$failed" ] || fail "not every prior was trained, see $expdir/logs"
}

# Stage 2 with another system, in a folder of its own: it is trained, separates and is scored.
evaluate_system() {
    local output=$expdir/systems/$system
    once "$expdir/.done/system-$system" --sections data evaluation \
        --values "system=$system" "set=$system_set" --inputs "$data_dir/manifest.json" --outputs \
        "$output"/{model/config.json,final_metrics.json,all_metrics.csv,examples,scores} -- \
        "$python_path" eval.py --conf "$expdir/conf.yml" --data "$data_dir" --exp "$expdir" \
        --system "$system" --options "$system_set"
}

evaluate() { # stage 2
    local source inputs=("$data_dir/manifest.json")
    for source in $test_sources; do inputs+=("$expdir/priors/$source/config.json"); done
    once "$expdir/.done/evaluate" --sections separation evaluation --inputs "${inputs[@]}" --outputs \
        "$expdir"/{best_model.pth,final_metrics.json,all_metrics.csv,examples,scores} -- \
        "$python_path" eval.py --conf "$expdir/conf.yml" --data "$data_dir" --exp "$expdir"
}

publish() { # stage 3
    once "$expdir/.done/publish" --sections publishing \
        --values "repo=$repo_id" "push=$push" "private=$private" \
        --inputs "$expdir"/{best_model.pth,final_metrics.json} --outputs "$expdir/publish_dir" -- \
        "$python_path" utils/publish.py --conf "$expdir/conf.yml" --exp "$expdir" \
        --repo_id "$repo_id" --push "$push" --private "$private"
}
