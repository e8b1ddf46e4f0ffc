"""Packs priors and encoders into a set that ships with the package, with its card.

    pack_shipped.py scripts/shipped/band.yml --priors DIR --encoders DIR --output DIR

The file names the sources, the encoders (files of train_gpu.py: "encoder", "strong_encoder") and
what the card says. --priors is a folder of priors by source, as `instglow train` leaves them, or a
saved separator, whose own encoders are kept where the file names none.
"""

import argparse
import json
import shutil
from pathlib import Path

import yaml
from safetensors import safe_open

from asteroid_instglow import GenerativeSeparator, GlowPrior
from asteroid_instglow.encoder import build_encoder
from asteroid_instglow.encoder.base import ENCODERS
from asteroid_instglow.weights.config import CONFIG
from asteroid_instglow.weights.folder import write_model


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("spec", type=Path)
    parser.add_argument("--priors", type=Path, required=True)
    parser.add_argument("--encoders", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    spec = yaml.safe_load(args.spec.read_text())
    priors = load_priors(args.priors, spec["sources"])
    for kind in ENCODERS:
        if kind in spec:
            path = args.encoders / f"{spec[kind]}.safetensors"
            joint, names = load_encoder(path)
            for source, prior in priors.items():
                setattr(prior, kind, joint.alone(names.index(source)))
    separator = GenerativeSeparator(priors, **spec.get("options", {})).eval()
    separator.licenses = {
        name: (args.spec.parent / name).read_text() for name in spec.get("license_files", [])
    }
    shutil.rmtree(args.output, ignore_errors=True)
    separator.save_pretrained(args.output, card=spec["card"], half=True)
    if spec.get("bits", 16) != 16:
        config = json.loads((args.output / CONFIG).read_text())
        write_model(args.output, config, separator.state_dict(), spec["bits"])
    size = sum(path.stat().st_size for path in args.output.rglob("*") if path.is_file())
    print(f"{args.output}: {size / 2**20:.1f} MB")


def load_priors(folder, sources):
    """Returns the priors by source, without cards of their own."""
    if (folder / "config.json").is_file():
        separator = GenerativeSeparator.from_pretrained(folder)
        priors = dict(zip(separator.sources, separator.priors))
    else:
        priors = {source: GlowPrior.from_pretrained(folder / source) for source in sources}
    for prior in priors.values():
        prior.card = None
    return {source: priors[source] for source in sources}


def load_encoder(path):
    """Returns the encoder of several sources in a file of train_gpu.py, and their names."""
    with safe_open(path, "pt") as stored:
        header = stored.metadata()
        weights = {name: stored.get_tensor(name) for name in stored.keys()}
    encoder = build_encoder(json.loads(header["encoder"]))
    encoder.load_state_dict(
        {k: v.float() if v.is_floating_point() else v for k, v in weights.items()}
    )
    return encoder, json.loads(header["sources"])


if __name__ == "__main__":
    main()
