#!/usr/bin/env bash
# Trains the priors that ship with the package, from folders of solos, and writes them where it looks.
#
#   scripts/train_shipped.sh VALIDATION TRAIN [TRAIN...]
#
# Each folder: <track>/{bass,drums,guitar,piano}.flac. Two sources are trained at a time, each on one
# core; on a GPU they take turns. A run that was stopped goes on where it stopped.
set -euo pipefail
if [ $# -lt 2 ]; then
    sed -n '2,7p' "${BASH_SOURCE[0]}" >&2
    exit 2
fi
cd "$(dirname "${BASH_SOURCE[0]}")/.."
validation=$1
shift
work=${WORK:-exp/shipped}
mkdir -p "$work"
export OMP_NUM_THREADS=1
# Large blocks are kept, not given back to the system after every step.
export MALLOC_MMAP_THRESHOLD_=1073741824 MALLOC_TRIM_THRESHOLD_=2147483647

train() {
    .venv/bin/instglow train "$1" --data "${@:3}" --validation-data "$2" -o "$work/$1" \
        --n-blocks 8 --hidden 64 --n-steps 700 --val-every 100 --lr 5e-4 --gain-db -6 6 \
        --ema 0.99 --keep last --encoder-steps 3000 --eq-db 3 --seed 1 --quiet
}

jobs=2
if .venv/bin/python -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then
    jobs=1
fi
running=0
for source in bass drums guitar piano; do
    train "$source" "$validation" "$@" &
    running=$((running + 1))
    if [ "$running" -ge "$jobs" ]; then
        wait -n
        running=$((running - 1))
    fi
done
while [ "$running" -gt 0 ]; do
    wait -n
    running=$((running - 1))
done
.venv/bin/python scripts/pack_shipped.py "$work" asteroid_instglow/pretrained_data/minislakh
