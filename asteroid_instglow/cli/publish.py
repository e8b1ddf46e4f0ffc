"""``instglow publish``: writes the files of a model, and sends them to the Hugging Face Hub."""

import argparse
import shutil
from pathlib import Path
from typing import Any

HELP = "send a prior or separator to the Hugging Face Hub (without --push: show what would go up)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options; those of the card are the fields of Card."""
    parser.add_argument("model", metavar="PRIOR_OR_SEPARATOR", help="folder, file, name or Hub id")
    parser.add_argument("--repo-id", required=True, metavar="USER/NAME", help="repository")
    parser.add_argument("--push", action="store_true", help="send it; without this nothing is sent")
    parser.add_argument("--private", action="store_true", help="create a private repository")
    parser.add_argument("--revision", metavar="BRANCH", help="branch (main)")
    parser.add_argument("--commit-message", metavar="TEXT")
    parser.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="file with the token (by default that of `hf auth login`, or HF_TOKEN)",
    )
    parser.add_argument("--half", action="store_true", help="store the weights in 16 bits")
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="also keep the files here")
    parser.add_argument("--overwrite", action="store_true", help="replace what is in DIR")
    card = parser.add_argument_group("model card")
    card.add_argument("--card", type=Path, metavar="FILE.json", help="fields of Card, all of them")
    card.add_argument("--title")
    card.add_argument("--description")
    card.add_argument("--license", metavar="ID", help="the Hub's identifier; unset: not stated")
    card.add_argument("--license-name", help="with --license other")
    card.add_argument("--license-link")
    card.add_argument("--datasets", nargs="+", metavar="NAME", help="what it was trained on")
    card.add_argument(
        "--examples",
        type=Path,
        metavar="DIR",
        help="audio and pictures to show, mixture.* first (default: examples/ of the model)",
    )
    card.add_argument("--results-on", metavar="TEXT", help="data and protocol of the results")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Writes the files and, if asked to, sends them."""
    from ..utils.files import scratch_folder
    from ..weights.base import load_model
    from ..weights.examples import FOLDER, copy_examples
    from ..weights.hub import hub_name, upload
    from .models import check_output_folder

    name = hub_name(args.repo_id, args.revision)
    token = None if args.token_file is None else read_token(args.token_file)
    if args.output is not None:
        check_output_folder(args.output, args.overwrite)
    model = load_model(args.model, token=token)
    with scratch_folder() as temporary:
        folder = args.output or temporary / "model"
        was_there = folder.is_dir()
        was_empty = not was_there or not any(folder.iterdir())
        examples = args.examples or Path(args.model, FOLDER)
        if args.examples or examples.is_dir():
            copy_examples(examples, folder)
        model.save_pretrained(folder, read_card(args, model.card), args.half, True, name)
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        answer = {
            "repo_id": args.repo_id,
            "private": args.private,
            "pushed": args.push,
            "reference": None,
            "output": args.output and str(args.output),
            "files": {path.relative_to(folder).as_posix(): path.stat().st_size for path in paths},
            "card": (folder / "README.md").read_text(encoding="utf-8"),
        }
        if args.push:
            message = args.commit_message or f"Upload {type(model).__name__}"
            where = args.repo_id, args.private, token, args.revision
            try:
                answer["reference"] = upload(folder, *where, message)
            except BaseException:
                if was_empty:
                    shutil.rmtree(folder)
                    if was_there:
                        folder.mkdir()
                raise
    return answer


def read_token(path: Path) -> str:
    """Reads a token from a text file; its content never gets into a message."""
    try:
        return path.read_text(encoding="ascii").strip()
    except UnicodeDecodeError:
        raise ValueError(f"token_file must hold a token, {path} holds something else") from None


def read_card(args: argparse.Namespace, saved: Any) -> Any:
    """Merges the model's card, the file and the options; the latter win.

    Args:
        args (argparse.Namespace): The options.
        saved (Card | None): The model's card.

    Returns:
        Card: With rows from ``training.json`` and ``encoder.json`` beside the model, unless the
        card describes the training already.
    """
    from ..utils.files import read_json
    from ..weights.card import Card

    fields = {} if saved is None else saved.to_dict()
    if rows := training_rows_of(Path(args.model)):
        fields.setdefault("training", rows)
    if args.card is not None:
        fields |= read_json(args.card)
    names = ("title", "description", "license", "license_name", "license_link", "results_on")
    fields |= {n: getattr(args, n) for n in (*names, "datasets") if getattr(args, n) is not None}
    return Card.of(fields)


def training_rows_of(folder: Path) -> dict[str, Any]:
    """Reads what the records of a folder say of the trainings of its flow and its encoder."""
    from ..utils.files import read_json
    from ..weights.card import training_rows

    names = {"flow": "training.json", "encoder": "encoder.json"}
    paths = {kind: folder / name for kind, name in names.items()}
    found = {k: training_rows(read_json(path)) for k, path in paths.items() if path.is_file()}
    if len(found) < 2:
        return next(iter(found.values()), {})
    flow, encoder = found.values()
    same = {key: value for key, value in flow.items() if encoder.get(key) == value}
    own = {k: {n: v for n, v in rows.items() if n not in same} for k, rows in found.items()}
    return {**own, **same}


def describe(answer: dict[str, Any]) -> str:
    """Lists the files, the card, and whether anything was sent."""
    width = max(len(name) for name in answer["files"])
    lines = [f"{name:{width}}  {size:>12,} bytes" for name, size in answer["files"].items()]
    lines.append(f"{'in all':{width}}  {sum(answer['files'].values()):>12,} bytes")
    lines += ["", "README.md:", "", *(f"    {line}" for line in answer["card"].splitlines()), ""]
    if answer["output"]:
        lines.append(f"The files are in {answer['output']}.")
    if answer["pushed"]:
        lines.append(f"Published as {answer['reference']}.")
    else:
        private = " (private)" if answer["private"] else ""
        lines.append(f"Nothing was sent. With --push this goes to {answer['repo_id']}{private}.")
    return "\n".join(lines)
