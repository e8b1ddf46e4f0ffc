#!/usr/bin/env bash
# InstGlow on Slakh2100-submix: priors of bass, drums, guitar and piano, each from its solo
# recordings alone, then the separation of the test set. See README.md.
#
#   ./run.sh --stage -1 --version baby --slakh_dir /data/babyslakh --set data.sample_rate=16000 ...
#   ./run.sh --slakh_dir /data/slakh2100_flac_redux --id 0,1,2,3   # everything, four at a time
#   ./run.sh --stage 1 --stop_stage 1 --sources piano              # one prior
set -e
set -o pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# Options
stage=0           # first stage: -1 download, 0 prepare, 1 train, 2 separate and evaluate, 3 publish
stop_stage=3      # last stage
tag=default       # the experiment is in exp/<tag>; run again, it goes on where it stopped
id=$CUDA_VISIBLE_DEVICES # GPUs; with several, stage 1 trains one prior on each
python_path=python # Python with this package
conf=local/conf.yml # configuration; exp/<tag>/conf.yml is what was used
set=              # changes to it: "training.n_steps=2000 separation.solver=auto"
n_jobs=1          # processes that prepare the data

slakh_dir=        # Slakh2100: the folder with train/, validation/ and test/ (or with Track*/)
split_file=       # redux.json or splits_v2.json of slakh-utils, where the folders are not split so
data_dir=data     # what stage 0 makes of it
version=redux     # what stage -1 fetches: redux (104 GB) or baby (20 songs at 16 kHz)
url=              # ... from elsewhere
checksum=         # ... with this checksum, "md5:..." or "sha256:..."

sources=          # priors that stage 1 trains, "bass,piano"; all that are prepared by default

system=           # stage 2 trains and evaluates another system: nmf, conv-tasnet, ... (docs/baselines.md)
system_set=       # with other arguments than its authors': "n_steps=2000 model.channels=16"

repo_id=          # "user/name" on the Hugging Face Hub
push=false        # true: stage 3 sends the separator there; false: it only makes publish_dir/
private=false     # true: for you alone
. utils/parse_options.sh
. utils/recipe.sh

if runs -1; then
    can_fetch slakh_dir "$slakh_dir" redux baby
elif runs 0; then
    [ -d "$slakh_dir" ] || fail "slakh_dir must be a folder, there is none at '$slakh_dir'"
    compgen -G "$slakh_dir/*/*/metadata.yaml" >/dev/null ||
        compgen -G "$slakh_dir/*/metadata.yaml" >/dev/null ||
        fail "slakh_dir must hold train/, validation/ and test/ with Track*/metadata.yaml," \
            "got $slakh_dir"
fi
[ -z "$split_file" ] || [ -f "$split_file" ] || fail "there is no split_file $split_file"
begin

if runs -1; then
    echo "Stage -1: downloading $version to $slakh_dir"
    fetch slakh "$slakh_dir" "$slakh_dir"
fi
if runs 0; then
    echo "Stage 0: preparing the data in $data_dir"
    prepare --slakh "$slakh_dir" ${split_file:+--split_file "$split_file"}
fi
if runs 1; then
    echo "Stage 1: training the priors of $sources"
    train
fi
if runs 2; then
    echo "Stage 2: separating and evaluating the test set"
    if [ -n "$system" ]; then evaluate_system; else evaluate; fi
fi
if runs 3; then
    echo "Stage 3: publishing"
    publish
fi
