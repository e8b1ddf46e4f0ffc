"""``instglow baseline NAME train|separate``: the systems that ours is compared with."""

import argparse
from pathlib import Path
from typing import Any

from .training_options import add_data_arguments, add_options, read_folders, read_options

HELP = "train another system, or separate files with it"


def add_arguments(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    """Declares both actions and returns their parsers."""
    from ..baselines import SYSTEMS

    parser.add_argument("name", choices=list(SYSTEMS), metavar="NAME", help=", ".join(SYSTEMS))
    actions = parser.add_subparsers(dest="action", metavar="train|separate", required=True)
    train = actions.add_parser("train", help="train it, or resume its training")
    separate = actions.add_parser("separate", help="separate files with a trained model")
    _add_training(train)
    _add_separation(separate)
    return [train, separate]


def _add_training(parser: argparse.ArgumentParser) -> None:
    from ..baselines.systems import TRAINING_OPTIONS
    from ..training import TrainingOptions

    add_data_arguments(parser)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="MODEL_DIR")
    parser.add_argument("--sources", nargs="+", metavar="NAME", help="default: all in data")
    add_options(parser, TrainingOptions, TRAINING_OPTIONS, defaults=False)
    parser.add_argument(
        "--set",
        nargs="+",
        default=[],
        metavar="ARGUMENT=VALUE",
        help="arguments of the system's class, such as channels=16; default: the authors'",
    )


def _add_separation(parser: argparse.ArgumentParser) -> None:
    from .separate import add_file_arguments

    add_file_arguments(parser, parser)
    parser.add_argument("--model", type=Path, required=True, metavar="MODEL_DIR")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="folder")
    parser.add_argument("--subtype", default="PCM_16", choices=["PCM_16", "PCM_24", "FLOAT"])


def run(args: argparse.Namespace) -> dict:
    """Trains or separates."""
    return _train(args) if args.action == "train" else _separate(args)


def describe(answer: dict) -> str:
    """Reports the trained model or the written files."""
    from . import separate

    if "files" in answer:
        return separate.describe(answer)
    line = f"{answer['model']}: {answer['system']} ({answer['kind']}), "
    line += f"{answer['parameters']} parameters, {answer['steps']} steps in {answer['seconds']} s"
    records = answer.get("priors", {"": answer})
    return "\n".join([line, *(f"{n or 'all'}: {_losses(r)}" for n, r in records.items())])


def _losses(record: dict[str, Any]) -> str:
    if "loss_before" not in record:
        return "nothing to train"
    return f"loss {record['loss_before']:.4g} -> {record['loss_after']:.4g}"


def _train(args: argparse.Namespace) -> dict[str, Any]:
    import yaml

    from ..baselines.systems import TRAINING_OPTIONS
    from ..baselines.training import train_baseline
    from ..training import TrainingOptions

    model = {}
    for setting in args.set:
        name, equals, value = setting.partition("=")
        if not equals:
            raise ValueError(f"set must be argument=value, got {setting!r}")
        model[name] = yaml.safe_load(value)
    options = read_options(args, TrainingOptions, TRAINING_OPTIONS)
    data = read_folders(args.data)
    record = train_baseline(args.name, data, args.output, args.sources, model, **options)
    return {"model": str(args.output), **record}


def _separate(args: argparse.Namespace) -> dict[str, Any]:
    from ..audio.songs import find_songs
    from ..baselines import load_baseline, system_class
    from ..utils.devices import pick_device
    from .songs import separate_songs

    device = pick_device(args.device)
    model = load_baseline(args.model).to(device)
    if not isinstance(model, system_class(args.name)):
        raise ValueError(f"model must be of {args.name}, {args.model} is a {type(model).__name__}")
    songs = find_songs(args.files, args.output)
    return separate_songs(model, songs, args, subtype=args.subtype)
