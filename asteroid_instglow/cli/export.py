"""``instglow export``: the encoders of a set as an ONNX file."""

import argparse
from pathlib import Path
from typing import Any

HELP = "write the encoders of a prior or separator to an ONNX file"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("model", metavar="PRIOR_OR_SEPARATOR", help="folder, file, name or Hub id")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.onnx")
    parser.add_argument(
        "--quality",
        choices=["fast", "default"],
        default="fast",
        help="fast: the LSTM encoders, for any length; default: the strong ones, where there are "
        "any, for 215 frames (5 s) at once (default: fast)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the file")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Writes the file."""
    from ..encoder import encoders_of
    from ..encoder.export import export_onnx
    from ..encoder.solve import encoder_sets
    from ..separator import GenerativeSeparator
    from ..weights.base import load_model

    if args.output.exists() and not args.overwrite:
        raise FileExistsError(f"{args.output} exists: pass --overwrite to replace it")
    model = load_model(args.model)
    priors: list[Any] = list(model.priors) if isinstance(model, GenerativeSeparator) else [model]
    lacking = [prior.source for prior in priors if not encoders_of(prior)]
    if lacking:
        raise ValueError(f"model must have encoders, {', '.join(lacking)} has none")
    encoders = encoder_sets(priors, args.quality)[0]
    names = [prior.source for prior in priors]
    if isinstance(model, GenerativeSeparator):
        names = [name for name in model.sources if name != "residual"]
    metadata = export_onnx(encoders, args.output, names, model.sample_rate)
    return {"file": str(args.output), "bytes": args.output.stat().st_size, **metadata}


def describe(answer: dict[str, Any]) -> str:
    """Tells what is in the file."""
    return f"{answer['file']}: {answer['sources']}, {answer['bytes'] / 1e6:.1f} MB"
