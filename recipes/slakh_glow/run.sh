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
. utils/recipe_options.sh
slakh_dir=        # Slakh2100: the folder with train/, validation/ and test/ (or with Track*/)
split_file=       # redux.json or splits_v2.json of slakh-utils, where the folders are not split so
version=redux     # what stage -1 fetches: redux (104 GB) or baby (20 songs at 16 kHz)
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
