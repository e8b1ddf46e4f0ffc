#!/usr/bin/env bash
# InstGlow on MUSDB18: one prior a source, each from its solo recordings alone, then the separation
# of the test set. See README.md.
#
#   ./run.sh --stage -1 --musdb_dir /data/musdb18-7s     # fetches the 7-second excerpts, then all
#   ./run.sh --musdb_dir /data/musdb18hq --id 0,1        # everything, two priors at a time
#   ./run.sh --stage 1 --stop_stage 1 --sources vocals   # one prior
set -e
set -o pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# Options
. utils/recipe_options.sh
musdb_dir=        # MUSDB18 (*.stem.mp4) or MUSDB18-HQ (wav): the folder with train/ and test/
stems_dir=        # or any data of your own: <stems_dir>/[train|validation|test/]<source>/<song>.wav
version=7s        # what stage -1 fetches: 7s, musdb18 or musdb18hq
. utils/parse_options.sh
. utils/recipe.sh

if runs -1; then
    can_fetch musdb_dir "$musdb_dir" 7s musdb18 musdb18hq
elif runs 0 && [ -n "$stems_dir" ]; then
    [ -d "$stems_dir" ] || fail "stems_dir must be a folder, there is none at $stems_dir"
elif runs 0; then
    [ -d "$musdb_dir/train" ] && [ -d "$musdb_dir/test" ] ||
        fail "musdb_dir must be a folder with train/ and test/, got '$musdb_dir' (see README.md)"
    if ! compgen -G "$musdb_dir/train/*/*.wav" >/dev/null; then
        compgen -G "$musdb_dir/train/*.stem.mp4" >/dev/null ||
            fail "musdb_dir/train must hold *.stem.mp4 or */*.wav, got none in $musdb_dir/train"
    fi
    command -v ffmpeg >/dev/null || fail "ffmpeg must be installed to read MUSDB18"
fi
begin

if runs -1; then
    echo "Stage -1: downloading $version to $musdb_dir"
    fetch musdb "$musdb_dir" "$musdb_dir"/{train,test}
fi
if runs 0; then
    echo "Stage 0: preparing the data in $data_dir"
    if [ -n "$stems_dir" ]; then prepare --stems "$stems_dir"; else prepare --musdb "$musdb_dir"; fi
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
