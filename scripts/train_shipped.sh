#!/usr/bin/env bash
# Trains the priors that ship with the package, from folders of solos, and writes them where it looks.
#
#   scripts/train_shipped.sh VALIDATION TRAIN [TRAIN...]
#
# Each folder: <track>/{bass,drums,guitar,piano}.flac; docs/quality.md tells which were used. First the
# four encoders together, in rounds (steps:rate), beside the flows; each prior takes its own from the last.
# A run that was stopped goes on where it stopped.
set -euo pipefail
if [ $# -lt 2 ]; then
    sed -n '2,8p' "${BASH_SOURCE[0]}" >&2
    exit 2
fi
cd "$(dirname "${BASH_SOURCE[0]}")/.."
validation=$1
shift
work=${WORK:-exp/shipped}
rounds=(${ROUNDS:-11500:0.02 17000:0.016})
width=${WIDTH:-224}
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
{
    start=(--width "$width")
    for i in "${!rounds[@]}"; do
        n=$((i + 1))
        .venv/bin/instglow pretrain --sources bass drums guitar piano --data "${data[@]}" \
            --validation-data "$validation" -o "$work/joint$n" --n-steps "${rounds[i]%:*}" \
            --lr "${rounds[i]#*:}" --seed "$n" --eq-db 3 --precision auto --quiet "${start[@]}"
        start=(--init "$work/joint$n")
    done
} &
joint=$!
for source in bass drums guitar piano; do
    train "$source"
done
wait "$joint"
for source in bass drums guitar piano; do
    train "$source" --init "$work/joint${#rounds[@]}"
done
.venv/bin/python scripts/pack_shipped.py "$work" "${OUTPUT:-asteroid_instglow/weights/shipped/minislakh}" --data "${ABOUT_DATA:-}"
