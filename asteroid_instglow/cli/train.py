"""``instglow train``: the prior of one source, from its solo recordings."""

from pathlib import Path

from .pretrain import DATA_HELP, add_encoder_arguments, folders, training_options

HELP = "train the prior (flow and encoder) of one source"


def add_arguments(parser):
    """Declares the options, those of ``train_prior`` and ``train_encoder``."""
    parser.add_argument("source", help="its name: folders <data>/<source>/ or <data>/*/<source>.*")
    parser.add_argument("--data", nargs="+", required=True, metavar="DIR[:WEIGHT]", help=DATA_HELP)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="PRIOR_DIR")
    parser.add_argument("--n-steps", type=int, default=20_000, help="of the flow")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--segment", type=float, default=2.0, help="seconds")
    parser.add_argument("--lr", type=float, default=1e-4)
    parser.add_argument("--val-every", type=int, default=200, help="steps")
    parser.add_argument("--precision", default="32", choices=["32", "bf16-mixed", "auto"])
    parser.add_argument("--ema", type=float, help="decay of an average of the weights")
    parser.add_argument("--gain-db", nargs=2, type=float, default=(0.0, 0.0), metavar="DB")
    parser.add_argument("--keep", default="best", choices=["best", "last"])
    parser.add_argument("--devices", type=int, default=1)
    add_encoder_arguments(parser)
    flow = parser.add_argument_group("flow (see GlowPrior; by default the paper's)")
    for name in ("sample_rate", "n_fft", "hop_length", "n_blocks", "hidden", "kernel_size"):
        flow.add_argument(f"--{name.replace('_', '-')}", type=int)
    for name in ("n_layers", "dilation_rate", "n_sqz", "n_split"):
        flow.add_argument(f"--{name.replace('_', '-')}", type=int)
    flow.add_argument("--sigmoid-scale", action="store_true", default=None)
    flow.add_argument("--dropout", type=float)
    encoder = parser.add_argument_group("encoder (trained if data holds other sources, too)")
    encoder.add_argument(
        "--encoder-steps", type=int, default=2000, help="0: none, or --init's as it is"
    )
    encoder.add_argument("--encoder-width", type=int, help="its features of a frame")
    encoder.add_argument("--encoder-lr", type=float, default=0.02)
    encoder.add_argument("--encoder-precision", default="32", choices=["32", "bf16-mixed", "auto"])
    encoder.add_argument(
        "--init", metavar="DIR|NAME", help="a joint encoder, prior or separator to start from"
    )
    encoder.add_argument("--others", nargs="+", metavar="NAME", help="background; by default all")


def run(args):
    """Trains the flow, then the encoder if there is a background to train it against."""
    from ..data import list_sources
    from ..training.encoder import take_encoder, train_encoder
    from ..training.prior import train_prior

    data = folders(args.data)
    background = set(args.others or list_sources(data))
    model = {n: getattr(args, n) for n in _FLOW if getattr(args, n) is not None}
    flow = train_prior(
        args.source,
        data,
        args.output,
        n_steps=args.n_steps,
        batch_size=args.batch_size,
        segment=args.segment,
        lr=args.lr,
        val_every=args.val_every,
        precision=args.precision,
        ema=args.ema,
        devices=args.devices,
        model=model,
        keep=args.keep,
        gain_db=tuple(args.gain_db),
        **training_options(args),
    )
    encoder = None
    if args.init and not args.encoder_steps:
        encoder = take_encoder(args.output, args.init)
    elif args.encoder_steps and background - {args.source}:
        encoder = train_encoder(
            args.output,
            data,
            args.others,
            n_steps=args.encoder_steps,
            lr=args.encoder_lr,
            init=args.init,
            precision=args.encoder_precision,
            model={} if args.encoder_width is None else {"width": args.encoder_width},
            eq_db=args.eq_db,
            **training_options(args),
        )
    return {"prior": str(args.output), "flow": flow, "encoder": encoder}


def describe(answer):
    """What was trained, how far."""
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


_FLOW = (
    *("sample_rate", "n_fft", "hop_length", "n_blocks", "hidden", "kernel_size", "n_layers"),
    *("dilation_rate", "n_sqz", "n_split", "sigmoid_scale", "dropout"),
)
