"""Packs trained priors into the separator that ships with the package, with its card.

pack_shipped.py PRIORS OUTPUT [--results FILE]: PRIORS/<source>/ as `instglow train` leaves them.
"""

import argparse
import json
import shutil
from pathlib import Path

from asteroid_instglow import GenerativeSeparator, GlowPrior

SOURCES = ("bass", "drums", "guitar", "piano")
DESCRIPTION = """\
Four priors (bass, drums, guitar, piano) for music at 22 050 Hz. Each flow was trained on solo
recordings of its own instrument, the encoders together on random mixtures of solos of different
songs. No paired mixture was used.

The solos are synthesised: songs of POP909 (Wang et al., ISMIR 2020; MIT licence), bass and drums
composed from their chord and beat annotations, played with the sampled instruments of FluidR3_GM
(Frank Wen; MIT licence), MuseScore_General (S. Christian Collins, from FluidR3; MIT licence), the
sf_GMbank sound font of Csound (LGPL 2.1 or later), Freepats (GPL 2 or later, with an exception
for music that is made with it) and Sonivox (Sonic Network; Apache licence 2.0), drums also with the
sampled kits Black Pearl and Red Zeppelin (Glen MacArthur; CC BY-SA 3.0). They know these sounds
well, and real bands only so far."""
FONTS = (
    *("FluidR3_GM", "MuseScore_General", "sf_GMbank of Csound", "Freepats", "Sonivox"),
    "Black Pearl and Red Zeppelin",
)
DATASETS = [f"POP909, played with {font}" for font in FONTS]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("priors", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--results", type=Path, help="JSON: {results_on: str, results: {...}}")
    parser.add_argument("--hardware", default="2 CPU cores")
    parser.add_argument("--data", default="", help="what to say of the training data")
    args = parser.parse_args()
    card = {"license": "mit", "description": DESCRIPTION, "datasets": DATASETS}
    if args.results:
        card.update(json.loads(args.results.read_text()))
    priors, training = {}, {}
    for name in SOURCES:
        priors[name] = GlowPrior.from_pretrained(args.priors / name)
        training[name] = describe(args.priors / name)
        priors[name].card = None
    common = {
        "command": "scripts/train_shipped.sh VALIDATION TRAIN...",
        "hardware": args.hardware,
        "training data": args.data,
        **{path.name: joint(path) for path in sorted(args.priors.glob("joint*"))},
    }
    separator = GenerativeSeparator(priors)
    shutil.rmtree(args.output, ignore_errors=True)
    separator.save_pretrained(
        args.output, card={**card, "training": {**common, **training}}, half=True
    )
    size = sum(path.stat().st_size for path in args.output.rglob("*") if path.is_file())
    print(f"{args.output}: {size / 2**20:.1f} MB")


def joint(folder):
    """What a card says of a round of training the encoders together."""
    record = json.loads((folder / "encoder.json").read_text())
    given = record["arguments"]
    return (
        f"{record['steps']} steps of {given['batch_size']} x {given['segment']:g} s, validation "
        f"loss {record['loss_before']:.2f} -> {record['loss_after']:.2f}, {record['seconds']:.0f} s"
    )


def describe(folder):
    """What a card says of the training of one prior."""
    flow = json.loads((folder / "training.json").read_text())
    return {
        "flow": f"{flow['steps']} steps of {flow['arguments']['batch_size']} x 2 s, validation NLL "
        f"{flow['nll_before']:.2f} -> {flow['nll_after']:.2f} nats/dim, {flow['seconds']:.0f} s",
        "seed": flow["arguments"]["seed"],
    }


if __name__ == "__main__":
    main()
