"""``instglow train``: trains the prior of one source from its solo recordings."""

from pathlib import Path

from .training_options import add_data_arguments, add_options, read_folders, read_options

HELP = "train the prior (flow and encoder) of one source"
# Options that the encoder has apart from the flow's, as --encoder-steps and so on.
_ENCODER = ("eq_db", "p_effect")
_SHARED = (
    *("validation_data", "seed", "accelerator", "num_workers", "time_limit", "resume"),
    *("checkpoint_minutes", "other_data", "progress"),
)
_FLOW = {
    **dict.fromkeys(
        ("sample_rate", "n_fft", "hop_length", "n_blocks", "hidden", "kernel_size", "n_layers"), int
    ),
    **dict.fromkeys(("dilation_rate", "n_sqz", "n_split"), int),
    "dropout": float,
}


def add_arguments(parser):
    """Declares the options, those of ``train_prior`` and ``train_encoder``."""
    from ..training import EncoderOptions, PriorOptions

    parser.add_argument("source", help="its name: folders <data>/<source>/ or <data>/*/<source>.*")
    add_data_arguments(parser)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="PRIOR_DIR")
    add_options(parser, PriorOptions)
    flow = parser.add_argument_group("flow (see GlowPrior; by default the paper's)")
    for name, kind in _FLOW.items():
        flow.add_argument(f"--{name.replace('_', '-')}", type=kind)
    flow.add_argument("--sigmoid-scale", action="store_true", default=None)
    encoder = parser.add_argument_group("encoder (trained if data holds other sources, too)")
    encoder.add_argument(
        "--encoder-steps", type=int, default=2000, help="0: none, or --init's as it is"
    )
    encoder.add_argument("--encoder-width", type=int, help="its features of a frame")
    add_options(encoder, EncoderOptions, ("lr", "precision"), "encoder_")
    add_options(encoder, EncoderOptions, _ENCODER)
    encoder.add_argument(
        "--init", metavar="DIR|NAME", help="a joint encoder, prior or separator to start from"
    )
    encoder.add_argument("--others", nargs="+", metavar="NAME", help="background; by default all")


def run(args):
    """Trains the flow, then the encoder if there is a background to train it against."""
    from ..data import list_sources
    from ..training import EncoderOptions, PriorOptions, take_encoder, train_encoder, train_prior

    data = read_folders(args.data)
    background = set(args.others or list_sources(data)) - {args.source}
    names = (*_FLOW, "sigmoid_scale")
    model = {n: getattr(args, n) for n in names if getattr(args, n) is not None}
    options = read_options(args, PriorOptions)
    flow = train_prior(args.source, data, args.output, model=model, **options)
    encoder = None
    if args.init and not args.encoder_steps:
        encoder = take_encoder(args.output, args.init)
    elif args.encoder_steps and background:
        encoder = train_encoder(
            args.output,
            data,
            args.others,
            model={} if args.encoder_width is None else {"width": args.encoder_width},
            init=args.init,
            n_steps=args.encoder_steps,
            **read_options(args, EncoderOptions, _SHARED + _ENCODER),
            **read_options(args, EncoderOptions, ("lr", "precision"), "encoder_"),
        )
    return {"prior": str(args.output), "flow": flow, "encoder": encoder}


def describe(answer):
    """Tells what was trained, and how far."""
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
    else:
        lines.append(
            f"encoder: {encoder['steps']} steps in {encoder['seconds']} s, validation loss "
            f"{encoder['loss_before']:.3f} -> {encoder['loss_after']:.3f}"
        )
    return "\n".join(lines)
