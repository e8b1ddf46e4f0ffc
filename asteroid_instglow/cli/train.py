"""``instglow train``: trains the prior of one source from its solo recordings."""

import argparse
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

from .training_options import add_data_arguments, add_options, read_folders, read_options

HELP = "train the prior (flow and encoder) of one source"
# Options that the encoder has apart from the flow's, as --encoder-steps and so on.
_ENCODER = ("eq_db", "p_effect")
_SHARED = (
    *("validation_data", "seed", "accelerator", "num_workers", "time_limit", "resume"),
    *("checkpoint_minutes", "other_data", "progress", "devices", "num_nodes"),
)
MINUTES = 10.0
_FLOW = {
    **dict.fromkeys(
        ("sample_rate", "n_fft", "hop_length", "n_blocks", "hidden", "kernel_size", "n_layers"), int
    ),
    **dict.fromkeys(("dilation_rate", "n_sqz", "n_split"), int),
    "dropout": float,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options, those of ``train_prior`` and ``train_encoder``."""
    from ..training import EncoderOptions, PriorOptions

    parser.add_argument("source", help="its name: folders <data>/<source>/ or <data>/*/<source>.*")
    add_data_arguments(parser)
    parser.add_argument(
        "-o", "--output", type=Path, metavar="PRIOR_DIR", help="by default priors/<source>"
    )
    parser.add_argument(
        "--minutes", type=float, help=f"time for all, where no steps are given (default: {MINUTES})"
    )
    add_options(parser, PriorOptions, _names(PriorOptions))
    flow = parser.add_argument_group("flow (see GlowPrior; by default that of --init)")
    for name, kind in _FLOW.items():
        flow.add_argument(f"--{name.replace('_', '-')}", type=kind)
    flow.add_argument("--sigmoid-scale", action="store_true", default=None)
    encoder = parser.add_argument_group("encoder (trained if data holds other sources, too)")
    encoder.add_argument(
        "--encoder-steps", type=int, help="0: none, or --init's as it is; 2000 with --n-steps"
    )
    encoder.add_argument("--encoder-width", type=int, help="its features of a frame")
    add_options(encoder, EncoderOptions, ("lr", "precision"), "encoder_")
    add_options(encoder, EncoderOptions, _ENCODER)
    encoder.add_argument(
        "--init",
        metavar="DIR|NAME",
        help="joint encoder, prior or separator to start from; its sizes are taken over",
    )
    encoder.add_argument("--others", nargs="+", metavar="NAME", help="background; by default all")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Trains for a given time or number of steps."""
    from ..training import EncoderOptions, PriorOptions

    args.output = args.output or Path("priors") / args.source
    names = (*_FLOW, "sigmoid_scale")
    model = {n: getattr(args, n) for n in names if getattr(args, n) is not None}
    data = read_folders(args.data)
    flow = read_options(args, PriorOptions, _names(PriorOptions))
    encoder = {
        **read_options(args, EncoderOptions, _ENCODER),
        **read_options(args, EncoderOptions, ("lr", "precision"), "encoder_"),
    }
    if args.minutes is None and (args.n_steps, args.encoder_steps) != (None, None):
        return _train_steps(args, data, model, flow, encoder)
    if args.encoder_width is not None:
        raise ValueError("--encoder-width cannot be chosen with --minutes: the encoder is --init's")
    from ..training import train_instrument

    shared = read_options(args, EncoderOptions, _SHARED)
    return train_instrument(
        args.source,
        data,
        args.output,
        MINUTES if args.minutes is None else args.minutes,
        args.init,
        others=args.others,
        model=model,
        encoder=encoder,
        flow={name: value for name, value in flow.items() if name not in shared},
        tell=lambda line: sys.stderr.write(line + "\n"),
        **shared,
    )


def _train_steps(
    args: argparse.Namespace,
    data: list[Any],
    model: dict[str, Any],
    flow: dict[str, Any],
    encoder: dict[str, Any],
) -> dict[str, Any]:
    # The flow, then the encoder if there is a background to train it against.
    from ..data import list_sources
    from ..training import EncoderOptions, take_encoder, train_encoder, train_prior

    if args.init:
        from ..training.instrument import sizes_of

        model = {**sizes_of(args.init), **model}
    trained = None
    record = train_prior(args.source, data, args.output, model=model, **flow)
    if args.init and args.encoder_steps == 0:
        trained = take_encoder(args.output, args.init)
    elif args.encoder_steps != 0 and set(args.others or list_sources(data)) - {args.source}:
        trained = train_encoder(
            args.output,
            data,
            args.others,
            model={} if args.encoder_width is None else {"width": args.encoder_width},
            init=args.init,
            n_steps=2000 if args.encoder_steps is None else args.encoder_steps,
            **encoder,
            **read_options(args, EncoderOptions, _SHARED),
        )
    return {"prior": str(args.output), "flow": record, "encoder": trained, "strong_encoder": None}


def _names(cls: type) -> list[str]:
    # The whole command's --minutes are not those of one part.
    return [field.name for field in fields(cls) if field.name != "minutes"]


def describe(answer: dict[str, Any]) -> str:
    """Reports the trained models and their numbers of steps."""
    flow, encoder = answer["flow"], answer["encoder"]
    lines = [
        f"{answer['prior']}: {flow['source']}, {flow['steps']} steps in {flow['seconds']} s, "
        f"validation NLL {flow['nll_before']:.3f} -> {flow['nll_after']:.3f} nats/dim"
    ]
    if encoder is None:
        why = "0 steps, or data holds no other source"
        lines.append(f"no encoder ({why}): the search alone will separate")
    elif not encoder["steps"]:
        lines.append(f"encoder: as it is in {encoder['arguments']['init']}")
    for name in ("encoder", "strong_encoder"):
        record = answer[name]
        if record is not None and record["steps"]:
            lines.append(
                f"{name.replace('_', ' ')}: {record['steps']} steps in {record['seconds']} s, "
                f"validation loss {record['loss_before']:.3f} -> {record['loss_after']:.3f}"
            )
    return "\n".join(lines)
