#!/usr/bin/env bash
# Trains the priors that ship with the package, from folders of solos, and writes them where it looks.
#
#   scripts/train_shipped.sh VALIDATION TRAIN [TRAIN...]
#
# Each folder: <track>/{bass,drums,guitar,piano}.flac; docs/quality.md tells which were used. First the
# four encoders together, beside the flows; each prior takes its own from there. A run that was stopped goes
# on where it stopped.
set -euo pipefail
if [ $# -lt 2 ]; then
    sed -n '2,8p' "${BASH_SOURCE[0]}" >&2
    exit 2
fi
cd "$(dirname "${BASH_SOURCE[0]}")/.."
validation=$1
shift
work=${WORK:-exp/shipped}
joint_steps=${JOINT_STEPS:-6500}
width=${WIDTH:-48}
again_steps=${AGAIN_STEPS:-2800}
flow_steps=${FLOW_STEPS:-400}
mkdir -p "$work"
export OMP_NUM_THREADS=1
# Large blocks are kept, not given back to the system after every step.
export MALLOC_MMAP_THRESHOLD_=1073741824 MALLOC_TRIM_THRESHOLD_=2147483647

train() { # SOURCE [OPTION...]: the flow, where it is not finished, and what the options say
    .venv/bin/instglow train "$1" --data "${data[@]}" --validation-data "$validation" -o "$work/$1" \
        --n-blocks 4 --hidden 64 --n-steps "$flow_steps" --val-every 100 --lr 5e-4 --gain-db -6 6 \
        --ema 0.99 --keep last --encoder-steps 0 --seed 1 --quiet "${@:2}"
}

data=("$@")
pretrain() {
    .venv/bin/instglow pretrain --sources bass drums guitar piano --data "${data[@]}" \
        --validation-data "$validation" --eq-db 3 --precision auto --quiet "$@"
}
{
    pretrain -o "$work/joint" --n-steps "$joint_steps" --width "$width" --seed 1
    pretrain -o "$work/joint2" --init "$work/joint" --n-steps "$again_steps" --lr 0.012 --seed 2
} &
joint=$!
for source in bass drums guitar piano; do
    train "$source"
done
wait "$joint"
for source in bass drums guitar piano; do
    train "$source" --init "$work/joint2"
done
.venv/bin/python scripts/pack_shipped.py "$work" "${OUTPUT:-asteroid_instglow/pretrained_data/minislakh}" --data "${ABOUT_DATA:-}"
