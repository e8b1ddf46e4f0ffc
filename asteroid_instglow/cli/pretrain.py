"""``instglow pretrain``: what the encoders of several sources have in common."""

from pathlib import Path

DATA_HELP = "folders of recordings; pieces are drawn from them by weight, from each by duration"
HELP = "train the encoders of several sources together, for `train --init` to start from"


def add_arguments(parser):
    """Declares the options, those of ``pretrain_encoders``."""
    parser.add_argument("--data", nargs="+", required=True, metavar="DIR[:WEIGHT]", help=DATA_HELP)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="JOINT_DIR")
    parser.add_argument("--sources", nargs="+", metavar="NAME", help="by default all in data")
    parser.add_argument("--n-steps", type=int, default=4000)
    parser.add_argument("--lr", type=float, default=0.02)
    parser.add_argument("--width", type=int, help="features of a frame")
    parser.add_argument("--init", type=Path, metavar="JOINT_DIR", help="to go on from")
    parser.add_argument("--precision", default="32", choices=["32", "bf16-mixed", "auto"])
    add_encoder_arguments(parser)


def add_encoder_arguments(parser):
    """Declares what the trainings have in common, and what those of encoders have."""
    parser.add_argument("--validation-data", nargs="+", metavar="DIR")
    parser.add_argument("--eq-db", type=float, default=0.0, help="spread of a random equaliser")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--accelerator", default="auto")
    parser.add_argument("--num-workers", type=int, default=0)
    parser.add_argument("--time-limit", type=float, help="minutes; of each part")
    parser.add_argument("--no-resume", dest="resume", action="store_false")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")


def training_options(args):
    """What every training takes of the options of :func:`add_encoder_arguments`."""
    return {
        "validation_data": folders(args.validation_data),
        "seed": args.seed,
        "accelerator": args.accelerator,
        "num_workers": args.num_workers,
        "time_limit": args.time_limit,
        "resume": args.resume,
        "progress": not args.quiet,
    }


def folders(texts):
    """Reads folders with weights, None for None."""
    from ..data import parse_folder

    return None if texts is None else [parse_folder(text) for text in texts]


def run(args):
    """Trains a joint encoder."""
    from ..data import list_sources
    from ..training.joint import pretrain_encoders

    data = folders(args.data)
    return pretrain_encoders(
        args.sources or list_sources(data),
        data,
        args.output,
        n_steps=args.n_steps,
        lr=args.lr,
        model={} if args.width is None else {"width": args.width},
        eq_db=args.eq_db,
        precision=args.precision,
        init=args.init,
        **training_options(args),
    )


def describe(answer):
    """What was trained, how far."""
    return (
        f"{', '.join(answer['sources'])}: {answer['steps']} steps in {answer['seconds']} s, "
        f"validation loss {answer['loss_before']:.3f} -> {answer['loss_after']:.3f}"
    )
