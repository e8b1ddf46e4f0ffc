"""The same defaults on two sources that are not an instrument: speech against a band.

other_sources.py --data minislakh --work DIR [--init minislakh] [--results FILE]

Speech is synthesised with espeak-ng (on the PATH), the band are the mixtures of the songs. Two
priors are trained as by ``instglow train --init``, and separate speech from the band of the
validation songs.
"""

import argparse
import itertools
import json
import subprocess
import time
from pathlib import Path

import torch
from quality import machine, score, summary

from asteroid_instglow import GenerativeSeparator, load_audio, save_audio
from asteroid_instglow.encoder_training import train_encoder
from asteroid_instglow.training import train_prior

VOICES = ("en-gb", "en-us", "en-gb-scotland", "en-gb-x-rp", "de", "fr", "es", "it")
# From the Universal Declaration of Human Rights.
TEXT = (
    "Whereas recognition of the inherent dignity and of the equal and inalienable rights of all "
    "members of the human family is the foundation of freedom, justice and peace in the world. "
    "All human beings are born free and equal in dignity and rights. They are endowed with reason "
    "and conscience and should act towards one another in a spirit of brotherhood. Everyone is "
    "entitled to all the rights and freedoms set forth in this Declaration, without distinction of "
    "any kind. Everyone has the right to life, liberty and security of person."
)
RATE, SECONDS = 22050, 16


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="songs: train/ and validation/")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--init", default="minislakh")
    parser.add_argument("--encoder-steps", type=int, default=500)
    parser.add_argument("--flow-steps", type=int, default=150)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--results", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    make_solos(args.data / "train", args.work / "solos")
    make_songs(args.data / "validation", args.work / "songs")
    started, folders = time.process_time(), {}
    for source in ("speech", "band"):
        folders[source] = args.work / "priors" / source
        flow = {"n_blocks": 8, "hidden": 64}
        train_prior(
            source, args.work / "solos", folders[source], args.flow_steps, lr=5e-4, model=flow
        )
        train_encoder(
            folders[source],
            args.work / "solos",
            n_steps=args.encoder_steps,
            lr=7e-3,
            init=args.init,
            precision="auto",
        )
    minutes = (time.process_time() - started) / 60
    model = GenerativeSeparator.from_pretrained(folders)
    found = score(model, args.work / "songs", args.work / "scores", args)
    print(f"{minutes:.1f} CPU min of training; {summary(found)}")
    if args.results:
        found = {"training_cpu_minutes": round(minutes, 1), "machine": machine(), **found}
        args.results.write_text(json.dumps(found, indent=1) + "\n")


def make_solos(songs, folder):
    """``speech/``: a voice, pitch and speed each; ``band/``: mixtures."""
    for i, (voice, pitch) in enumerate(itertools.product(VOICES, (25, 45, 65, 80))):
        speak(folder / "speech" / f"{voice}-{pitch}.wav", voice, pitch, 140 + 10 * (i % 5), TEXT)
    for track in sorted(songs.iterdir()):
        (folder / "band").mkdir(parents=True, exist_ok=True)
        link = folder / "band" / f"{track.name}.flac"
        if not link.exists():
            link.symlink_to((track / "mixture.flac").resolve())


def make_songs(songs, folder):
    """Speech of other voices over the bands of other songs."""
    voices = ("en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-us-nyc", "pt")
    words = " ".join(reversed(TEXT.split()))
    for voice, track in zip(voices, sorted(songs.iterdir())):
        band, rate = load_audio(track / "mixture.flac")
        speak(folder / track.name / "speech.wav", voice, 50, 155, words)
        speech, _ = load_audio(folder / track.name / "speech.wav", rate)
        n = min(speech.shape[-1], SECONDS * rate, band.shape[-1])
        speech, band = speech[:, :n], band.mean(0, keepdim=True)[:, :n]
        speech = speech * band.square().mean().sqrt() / speech.square().mean().sqrt()
        save_audio(folder / track.name / "speech.wav", speech, rate, "FLOAT", overwrite=True)
        save_audio(folder / track.name / "band.wav", band, rate, "FLOAT", overwrite=True)


def speak(path, voice, pitch, speed, text):
    """Writes what espeak-ng says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    options = ["-v", voice, "-p", str(pitch), "-s", str(speed)]
    subprocess.run(["espeak-ng", *options, "-w", str(path), text], check=True)


if __name__ == "__main__":
    main()
