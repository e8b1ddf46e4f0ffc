#!/bin/bash
# Makes the guitar and bass folders of the pool: guitar_bass.sh SOURCES POP909 POOL [PYTHON [SCALE]]
#
# SOURCES holds, unpacked:
#   emilyguitar shinyguitar growlybass pastabass meatbass fashionbass swagbass
#                GitHub sfzinstruments/karoryfer.* (CC0)
#   nylon        samples of GitHub freepats/spanish-classical-guitar (CC0)
#   blackgreen   GitHub kmturley/karoryfer.black-and-green-guitars (CC0); check it out with the
#                attribute "* -text", else Git rewrites bytes of the WAV files
#   tonejs-instrument-{guitar-electric,guitar-acoustic,bass-electric}-wav   npm (CC BY 3.0)
#   sectoid      songs/sectoid of Debian's fretsonfire-songs-sectoid (MIT)
#   cc0_bass     bass stems of "Everything is free / remixed" (CC0)
#   FluidR3_GM.sf2 MuseScore_General_Lite.sf3   Debian fluid-soundfont-gm and
#                musescore-general-soundfont-small (MIT)
# POP909 is the folder of the POP909 songs (MIT). PYTHON needs requirements.txt; FluidSynth must
# be installed. SCALE multiplies the minutes of each group.
set -euo pipefail

sources=$1 pop909=$2 pool=$3 python=${4:-python} scale=${5:-1}
cd "$(dirname "$0")"

scaled() { # MINUTES
  awk -v minutes="$1" -v scale="$scale" 'BEGIN { print minutes * scale }'
}
fonts=("$sources/FluidR3_GM.sf2" "$sources/MuseScore_General_Lite.sf3")

render() { # SCRIPT GROUP MINUTES SEED
  "$python" "$1" "$2" --samples "$sources" --fonts "${fonts[@]}" --pop909 "$pop909" \
    --out "$pool" --minutes "$(scaled "$3")" --seed "$4"
}

"$python" sampler_recorded.py "$sources/sectoid" "$pool/guitar_metal/guitar" \
  --match guitar.ogg --speeds 0.92 1.07
"$python" sampler_recorded.py "$sources/cc0_bass" "$pool/bass_cc0/bass"

for seed in 2 3; do
  render guitar_render.py guitar_emily 7 $seed
  render guitar_render.py guitar_blackgreen 8 $seed
  render guitar_render.py guitar_shiny 6 $seed
  render guitar_render.py guitar_tone 4 $seed
  render guitar_render.py guitar_nylon 3 $seed
done
render guitar_render.py guitar_band 16 4
render guitar_render.py guitar_band 8 5
render guitar_render.py guitar_fonts 4 2
for seed in 1 2; do
  render bass_render.py bass_growly 8 $seed
  render bass_render.py bass_six 9 $seed
  render bass_render.py bass_fonts 5 $seed
  render bass_render.py bass_fifths 7 $seed
done
render bass_render.py bass_synth 5 1
render bass_render.py bass_upright 4 1
