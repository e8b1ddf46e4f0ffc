#!/usr/bin/env bash
# Trains the encoders of plans on one GPU in ten minutes, on a machine without a network.
#
#   scripts/train_gpu.sh pack BUNDLE        here: gathers what the other machine lacks
#   scripts/train_gpu.sh train BUNDLE OUT   there: plays the MIDI files, trains, scores
#
# Settings of pack, all but PLANS optional:
#   PLANS       files as scripts/minislakh_plan.yml and recipes/band/local/plan.yml
#   SOLOS       folder <group>/<source>/*.ogg
#   SONGS       folder <track>/<source>.flac, which becomes the group "songs"
#   VALIDATION  folder <track>/<source>.flac, to score on
#   FONTS       sound fonts to play MIDI files with; MIDI: folder <source>/*.mid, by default composed ones
#   WHEELS      packages that the other machine lacks, as pip names them
#   MAX_MIB     largest bundle (default: 64)
# Settings of train: LIMIT seconds in all (default: 570), SCALE of the plans' seconds, PYTHON.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=${PYTHON:-python}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export PYTHONPATH="$here${PYTHONPATH:+:$PYTHONPATH}"

die() { printf 'train_gpu.sh: %s\n' "$*" >&2; exit 1; }

ogg() { # FOLDER TARGET FORMAT: <track>/<source>.* as Ogg; FORMAT is the name, %t track and %s source
    local file track name
    for file in "$1"/*/*.flac "$1"/*/*.wav; do
        [ -e "$file" ] && [[ $file != */mixture.* ]] || continue
        track=$(basename "$(dirname "$file")")
        name=${3//%t/$track}
        name=${name//%s/$(basename "${file%.*}")}
        mkdir -p "$(dirname "$2/$name")"
        ffmpeg -v error -nostdin -y -i "$file" -ac 1 -ar 22050 -c:a libvorbis -q:a 5 "$2/$name.ogg"
    done
}

compose() { # FOLDER: MIDI files of songs that are composed by rule
    "$python" - "$1" "${N_MIDI:-60}" "${MIDI_SECONDS:-60}" <<'PYTHON'
import random, sys
from pathlib import Path
from asteroid_instglow.data.band.compose import compose
from asteroid_instglow.data.band.soundfont import PROGRAMS, midi_file

folder, songs, seconds = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
for seed in range(songs):
    for source, notes in compose(seed, seconds).items():
        program = random.Random(f"{seed} {source}").choice(PROGRAMS[source])
        path = folder / source / f"{seed}.mid"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(midi_file(notes, program, 9 if source == "drums" else 0))
PYTHON
}

pack() { # BUNDLE
    local bundle=$1 work=$scratch size
    [ -n "${PLANS:-}" ] || die "PLANS must name at least one plan"
    mkdir -p "$bundle/plans" "$work/data"
    # The settings are lists of words.
    # shellcheck disable=SC2086
    cp $PLANS "$bundle/plans"
    [ -z "${SOLOS:-}" ] || cp -r "$SOLOS"/. "$work/data"
    [ -z "${SONGS:-}" ] || ogg "$SONGS" "$work/data/songs" %s/%t
    [ -z "${VALIDATION:-}" ] || ogg "$VALIDATION" "$work/data/validation" %t/%s
    tar cf "$bundle/data.tar" -C "$work/data" .
    if [ -n "${FONTS:-}" ]; then
        mkdir -p "$bundle/fonts" "$bundle/fluidsynth"
        # shellcheck disable=SC2086
        cp $FONTS "$bundle/fonts"
        cp "$(command -v fluidsynth)" "$bundle/fluidsynth"
        # The C library comes with the other machine; all else it may lack.
        ldd "$(command -v fluidsynth)" | awk '$3 ~ /^\// {print $3}' |
            grep -vE '/(libc|libm|libdl|librt|libpthread|ld-linux[^/]*)\.so' |
            xargs -I{} cp -L {} "$bundle/fluidsynth"
        if [ -n "${MIDI:-}" ]; then cp -r "$MIDI"/. "$work/midi"; else compose "$work/midi"; fi
        tar czf "$bundle/midi.tar.gz" -C "$work/midi" .
    fi
    # shellcheck disable=SC2086
    [ -z "${WHEELS:-}" ] || "$python" -m pip wheel -q --no-deps -w "$bundle/wheels" $WHEELS
    size=$(du -sm "$bundle" | cut -f1)
    [ "$size" -le "${MAX_MIB:-64}" ] || die "the bundle has $size MiB, ${MAX_MIB:-64} are allowed"
    echo "train_gpu.sh: $size MiB in $bundle"
}

play() { # BUNDLE DATA: plays all MIDI files with each sound font, as many at once as there are cores
    local bundle=$1 data=$2 number=0 font
    [ -d "$bundle/fonts" ] || return 0
    mkdir "$data/midi"
    tar xzf "$bundle/midi.tar.gz" -C "$data/midi"
    for font in "$bundle"/fonts/*; do
        (cd "$data/midi" && find . -name '*.mid' -printf '%P\0') |
            LD_LIBRARY_PATH="$bundle/fluidsynth" xargs -0 -P "$(nproc)" -I{} sh -c '
                to="$3/played_$4/${1%.mid}.wav"
                mkdir -p "$(dirname "$to")"
                "$2/fluidsynth/fluidsynth" -niq -F "$to" -T wav -O s16 -r 22050 -g 0.3 "$5" "$3/midi/$1"
            ' sh {} "$bundle" "$data" "$number" "$font" >/dev/null 2>&1 || die "fluidsynth failed"
        number=$((number + 1))
    done
}

train() { # BUNDLE OUT
    local bundle out=$2 data=$scratch large
    bundle=$(realpath "$1")
    tar xf "$bundle/data.tar" -C "$data"
    if [ -d "$bundle/wheels" ]; then
        "$python" -m pip install -q --no-index --no-deps --target "$data/wheels" "$bundle"/wheels/*.whl
        export PYTHONPATH="$PYTHONPATH:$data/wheels"
    fi
    play "$bundle" "$data"
    echo "train_gpu.sh: data ready after $SECONDS s"
    "$python" "$here/scripts/train_gpu.py" "$bundle"/plans/*.yml --data "$data" --out "$out" \
        --scale "${SCALE:-1}" --within "$((${LIMIT:-570} - SECONDS))"
    large=$(find "$out" -name '*.safetensors' -size +16M)
    [ -z "$large" ] || die "over 16 MiB: $large"
    if grep -q '"error"' "$out/log.json"; then die "a job failed, see $out/log.json"; fi
    echo "train_gpu.sh: done after $SECONDS s"
}

case ${1:-} in
    pack) [ $# = 2 ] || die "usage: train_gpu.sh pack BUNDLE"; pack "$2" ;;
    train) [ $# = 3 ] || die "usage: train_gpu.sh train BUNDLE OUT"; train "$2" "$3" ;;
    *) sed -n '2,18p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac
