#!/bin/bash
# Makes the drums, piano and other folders of the pool: drums_keys.sh SOURCES POP909 POOL [PYTHON [SCALE]]
#
# SOURCES holds, unpacked (`fetch.sh` brings them):
#   muldjord gogodze frankensnare discord rumpf     drum kits, their folders of samples
#   cc0_drums                                       drum stems of "Everything is free / remixed"
#   headroom upright oldpiano salamander            pianos
#   cp80 pianet wurlitzer                           electric pianos
#   violin cello trumpet saxophone flute weresax    other instruments
#   *.sf2                                           General MIDI sound fonts
# pool_licences.py says where each is from and under which licence. POP909 is the folder of the
# POP909 songs (MIT). PYTHON needs requirements.txt; FluidSynth must be installed.
# SCALE multiplies the minutes of each group.
set -euo pipefail

sources=$1 pop909=$2 pool=$3 python=${4:-python} scale=${5:-1}
cd "$(dirname "$0")"

scaled() { # MINUTES
  awk -v minutes="$1" -v scale="$scale" 'BEGIN { print minutes * scale }'
}

render() { # SCRIPT GROUP MINUTES SEED [OPTION...]
  "$python" "$1" --data "$sources" --pool "$pool" --group "$2" --minutes "$(scaled "$3")" --seed "$4" "${@:5}"
}

"$python" drums_loops.py --stems "$sources/cc0_drums" --pool "$pool"
for seed in 1 2; do
  render drums.py drums_muldjord 12 $seed
  render drums.py drums_gogodze 6 $seed
  render drums.py drums_discord 3 $seed
  render drums.py drums_fonts 4 $seed
  render drums.py drums_rumpf 1.5 $seed
  render piano.py piano_sampled 9 $seed --midi "$pop909"
  render piano.py piano_electric 4 $seed --midi "$pop909"
  render piano.py piano_fonts 5 $seed --midi "$pop909"
  render other.py other_sampled 4 $seed --midi "$pop909"
  render other.py other_fonts 9 $seed --midi "$pop909"
  render other.py other_synth 4 $seed --midi "$pop909"
done
