"""Trains and separates two sources that are not instruments: speech and a band.

    other_sources.py --data minislakh --work DIR [--init minislakh] [--results FILE]

Speech is synthesized with espeak-ng (on the PATH); the band is the mixture of each song. Two priors
are trained, as by ``instglow train --init``, and separate speech from the band on the validation
songs, with other voices, words and songs.
"""

import argparse
import itertools
import subprocess
import time
from pathlib import Path

import torch
from quality import machine, score, summary

from asteroid_instglow import GenerativeSeparator, load_audio, save_audio
from asteroid_instglow.data import list_sources
from asteroid_instglow.training.encoder import train_encoder
from asteroid_instglow.training.prior import train_prior
from asteroid_instglow.utils.files import write_json

VOICES = ("en-gb", "en-us", "en-gb-scotland", "en-gb-x-rp")
VARIANTS = ("Andy", "Alicia", "Boris", "Linda", "Michael", "f2", "f4", "m2")
HELD_OUT = ("en-gb-x-gbclan+Denis", "en-us-nyc+Steph", "en-gb-x-gbcwmd+Max", "en-029+Belinda")
# From the Universal Declaration of Human Rights.
TEXT = (
    "Whereas recognition of the inherent dignity and of the equal and inalienable rights of all "
    "members of the human family is the foundation of freedom, justice and peace in the world. "
    "All human beings are born free and equal in dignity and rights. They are endowed with reason "
    "and conscience and should act towards one another in a spirit of brotherhood. Everyone is "
    "entitled to all the rights and freedoms set forth in this Declaration, without distinction of "
    "any kind. Everyone has the right to life, liberty and security of person."
)
HELD_OUT_TEXT = (
    "No one shall be held in slavery or servitude. Slavery and the slave trade shall be prohibited "
    "in all their forms. Everyone charged with a penal offence has the right to be presumed "
    "innocent until proved guilty according to law in a public trial."
)
# Small, because the default solver uses the encoders only.
FLOW = {"n_blocks": 4, "hidden": 64}


def main(argv=None):
    args = parse(__doc__, argv)
    torch.set_num_threads(1)
    make_solos(args.data / "train", args.work / "solos")
    make_songs(args.data / "validation", args.work / "songs")
    folders = {source: args.work / "priors" / source for source in ("speech", "band")}
    spent = {s: train(s, args.work / "solos", folder, args) for s, folder in folders.items()}
    model = GenerativeSeparator.from_pretrained(folders)
    found = score(model, args.work / "songs", args.work / "scores", args)
    print(f"{sum(spent.values()):.0f} CPU s of training; {summary(found)}")
    steps = f"--encoder-steps {args.encoder_steps} --flow-steps {args.flow_steps}"
    write(args, "other_sources.py", steps, {"training_cpu_seconds": spent, **found})


def parse(doc, argv):
    """Parses the command line of this script and of add_strings.py."""
    parser = argparse.ArgumentParser(description=doc.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="songs: train/ and validation/")
    parser.add_argument("--work", type=Path, required=True, help="a new folder")
    parser.add_argument("--init", default="minislakh", help="separator to start from")
    parser.add_argument("--encoder-steps", type=int, default=450)
    parser.add_argument("--flow-steps", type=int, default=60)
    parser.add_argument("--minutes", type=float, default=10.0, help="of add_strings.py")
    parser.add_argument("--seconds", type=float, default=8.0, help="length of each song to score")
    parser.add_argument("--results", type=Path)
    return parser.parse_args(argv)


def train(source, solos, folder, args):
    """Trains one prior, as ``instglow train --init`` does; returns CPU seconds."""
    started = time.process_time()
    train_prior(
        source, solos, folder, n_steps=args.flow_steps, lr=5e-4, ema=0.99, keep="last", model=FLOW
    )
    train_encoder(
        folder, solos, n_steps=args.encoder_steps, lr=7e-3, init=args.init, precision="auto"
    )
    return round(time.process_time() - started, 1)


def write(args, script, length, found):
    """Writes the results, with the command and the machine."""
    if args.results is None:
        return
    result = {
        "command": f"python benchmarks/{script} --data DIR --work DIR --init {args.init} {length}",
        "machine": machine(),
        "seconds": args.seconds,
        **found,
    }
    write_json(args.results, result)


def make_solos(songs, folder):
    """Writes ``speech/``, one accent, voice, pitch and speed per file, and ``band/``, mixtures."""
    for i, (voice, variant) in enumerate(itertools.product(VOICES, VARIANTS)):
        name = f"{voice}+{variant}"
        pitch, speed = 30 + 10 * (i % 5), 140 + 10 * (i % 4)
        speak(folder / "speech" / f"{name}.wav", name, pitch, speed, TEXT)
    for track in sorted(songs.iterdir()):
        save(folder / "band" / f"{track.name}.wav", *band_of(track))


def make_songs(songs, folder):
    """Writes speech of other voices and bands of other songs, equally loud."""
    for voice, track in zip(itertools.cycle(HELD_OUT), sorted(songs.iterdir())):
        band, rate = band_of(track)
        speak(folder / track.name / "speech.wav", voice, 50, 155, HELD_OUT_TEXT)
        speech, _ = load_audio(folder / track.name / "speech.wav", rate)
        n = min(speech.shape[-1], band.shape[-1])
        speech, band = speech[:, :n], band[:, :n]
        speech = speech * band.square().mean().sqrt() / speech.square().mean().sqrt()
        save(folder / track.name / "speech.wav", speech, rate)
        save(folder / track.name / "band.wav", band, rate)


def band_of(track):
    """Returns the sum of a song's stems, in mono, and its sample rate."""
    wavs, rates = zip(*(load_audio(next(track.glob(f"{s}.*"))) for s in list_sources(track.parent)))
    return sum(wav.mean(0, keepdim=True) for wav in wavs), rates[0]


def save(path, wav, rate):
    """Writes a file of floats, replacing any."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_audio(path, wav, rate, "FLOAT", overwrite=True, clip="none")


def speak(path, voice, pitch, speed, text):
    """Writes speech of espeak-ng."""
    path.parent.mkdir(parents=True, exist_ok=True)
    options = ["-v", voice, "-p", str(pitch), "-s", str(speed)]
    subprocess.run(["espeak-ng", *options, "-w", str(path), text], check=True)


if __name__ == "__main__":
    main()
