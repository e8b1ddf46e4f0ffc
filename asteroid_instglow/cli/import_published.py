"""``instglow import-published``: makes a prior of a checkpoint of the published implementation."""

import argparse
from pathlib import Path
from typing import Any

from ..utils.files import hash_file, read_json

HELP = "make a prior of a checkpoint of the published implementation"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("checkpoint", type=Path, metavar="G_1000.pth", help="the checkpoint")
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="its config.json (the one beside it)"
    )
    parser.add_argument("--source", help="name of the source (that of the checkpoint's folder)")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="the prior")
    parser.add_argument("--overwrite", action="store_true", help="replace what is in DIR")
    parser.add_argument("--half", action="store_true", help="store the weights in 16 bits")
    parser.add_argument("--license", metavar="ID", help="the Hub's identifier; unset: not stated")
    parser.add_argument("--datasets", nargs="+", metavar="NAME", help="what it was trained on")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Reads the checkpoint strictly and writes the folder of a prior."""
    from ..prior import GlowPrior
    from ..weights.card import Card
    from ..weights.tensors import load_pickle
    from .models import check_output_folder

    config_path = args.config or args.checkpoint.parent / "config.json"
    for path in (args.checkpoint, config_path):
        if not path.is_file():
            raise FileNotFoundError(f"there is no file {path}")
    check_output_folder(args.output, args.overwrite)
    checkpoint, config = load_pickle(args.checkpoint), _read_config(config_path)
    source = args.source or args.checkpoint.absolute().parent.name
    prior = GlowPrior.from_published(checkpoint, config, source)
    iteration = checkpoint.get("iteration")
    record = {
        "checkpoint": args.checkpoint.name,
        "sha256": hash_file(args.checkpoint),
        **({"iteration": iteration} if isinstance(iteration, int) else {}),
        **{k: v for k, v in config.get("train", {}).items() if isinstance(v, (int, float))},
    }
    card = Card(
        description="Converted from a checkpoint of the published implementation.",
        license=args.license,
        datasets=args.datasets or (),
        training=record,
    )
    prior.save_pretrained(args.output, card, args.half)
    return {
        "output": str(args.output),
        "source": source,
        "n_parameters": sum(p.numel() for p in prior.parameters()),
        "sample_rate": prior.sample_rate,
        "iteration": iteration,
    }


def describe(answer: dict[str, Any]) -> str:
    """Describes the prior that was written."""
    return (
        f"{answer['output']}: prior of {answer['source']}, {answer['n_parameters']:,} weights, "
        f"{answer['sample_rate']} Hz"
    )


def _read_config(path: Path) -> dict[str, Any]:
    config = read_json(path)
    sections = ("train", "data", "model")
    if not all(isinstance(config.get(section, {}), dict) for section in sections):
        raise ValueError(f"{path} must have the sections {', '.join(sections)}")
    return config
