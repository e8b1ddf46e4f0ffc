#!/usr/bin/env bash
# Solos that sound like records, for the priors of `from_pretrained("band")`. See README.md.
#
#   ./run.sh --midi_dir POP909 --yuki_dir yuki             # fetches the sounds, makes all solos
#   ./run.sh --stage 3 --stop_stage 3 --midi_dir POP909    # one stage
#   ./run.sh --stage 4 --stop_stage 5                      # trains encoders, then flows
set -e
set -o pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# Options
stage=0            # first stage: 0 fetch, 1 vocals and recorded players, 2 guitar and bass,
                   # 3 drums, keyboards and other, 4 train encoders, 5 train flows
stop_stage=3       # last stage
python_path=python # Python with requirements.txt, for stages 0 to 3
train_python_path=python # Python with the package, for stages 4 and 5
midi_dir=          # POP909's folder of songs (README.md)
yuki_dir=          # the yuki voice bank, for stage 1 (README.md)
repositories=https://github.com # or a folder with copies: <repositories>/<owner>/<name>
scale=1            # of the minutes that stages 1 to 3 make of each group
sources_dir=data/sources # recorded sounds, what stage 0 brings
pool_dir=data/pool # what is made: <pool_dir>/<group>/<source>/*.ogg and <group>/LICENCES.md
plan=local/plan.yml # which groups are drawn how often, and what is trained
exp_dir=exp/band   # what stages 4 and 5 make
. utils/parse_options.sh
. utils/stages.sh

check_stages 0 5
if runs 1 || runs 2 || runs 3; then
    compgen -G "$midi_dir/[0-9]*/*.mid" >/dev/null ||
        fail "midi_dir must hold POP909's folders NNN/NNN.mid, got '$midi_dir' (see README.md)"
    midi_dir=$(realpath "$midi_dir")
fi
if runs 1; then
    [ -d "$yuki_dir" ] || fail "yuki_dir must be the folder of the voice bank, got '$yuki_dir'"
fi
if runs 2 || runs 3; then
    command -v fluidsynth >/dev/null || fail "fluidsynth must be installed for stages 2 and 3"
fi
mkdir -p "$sources_dir" "$pool_dir"
sources_dir=$(realpath "$sources_dir")
pool_dir=$(realpath "$pool_dir")

if runs 0; then
    echo "Stage 0: fetching recorded sounds to $sources_dir"
    [ -d "$repositories" ] && repositories=$(realpath "$repositories")
    local/fetch.sh "$sources_dir" "$python_path" "$repositories"
fi
if runs 1; then
    echo "Stage 1: vocals and recorded players"
    ln -sfn "$(realpath "$yuki_dir")" "$sources_dir/yuki"
    local/vocals.sh "$sources_dir" "$midi_dir" "$pool_dir" "$python_path" "$scale"
    "$python_path" local/recorded.py "$sources_dir" "$pool_dir" --scale "$scale"
fi
if runs 2; then
    echo "Stage 2: guitar and bass"
    local/guitar_bass.sh "$sources_dir" "$midi_dir" "$pool_dir" "$python_path" "$scale"
fi
if runs 3; then
    echo "Stage 3: drums, keyboards and other"
    local/drums_keys.sh "$sources_dir" "$midi_dir" "$pool_dir" "$python_path" "$scale"
fi
if runs 4; then
    echo "Stage 4: training encoders (a GPU is needed; see $plan)"
    "$train_python_path" ../../scripts/train_gpu.py "$plan" --data "$pool_dir" --out "$exp_dir"
fi
if runs 5; then
    echo "Stage 5: training flows"
    "$train_python_path" local/train_flows.py "$plan" --pool "$pool_dir" --out "$exp_dir/flows"
fi
