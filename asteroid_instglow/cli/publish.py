"""``instglow publish``: a model to the Hugging Face Hub; by default only a rehearsal."""

from pathlib import Path

HELP = "send a prior or separator to the Hugging Face Hub (without --push: show what would go up)"


def add_arguments(parser):
    """Declares the options; those of the card are the fields of Card."""
    parser.add_argument("model", metavar="PRIOR_OR_SEPARATOR", help="folder, file, name or Hub id")
    parser.add_argument("--repo-id", required=True, metavar="USER/NAME", help="where to")
    parser.add_argument("--push", action="store_true", help="send it; without this nothing is sent")
    parser.add_argument("--private", action="store_true", help="for you alone")
    parser.add_argument("--revision", metavar="BRANCH", help="branch (main)")
    parser.add_argument("--commit-message", metavar="TEXT")
    parser.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="file with the token (by default that of `hf auth login`, or HF_TOKEN)",
    )
    parser.add_argument("--half", action="store_true", help="store the weights in 16 bits")
    parser.add_argument(
        "--embed", action="store_true", help="no effect: a separator always holds its priors"
    )
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
    card.add_argument("--results-on", metavar="TEXT", help="data and protocol of the results")


def run(args):
    """Makes the files and, if asked to, sends them."""
    import tempfile

    from ..weights.base import load_model, push_folder
    from ..weights.hub import check_repo_id
    from .models import check_output_folder

    check_repo_id(args.repo_id)
    token = None if args.token_file is None else args.token_file.read_text(encoding="utf-8").strip()
    if args.output is not None:
        check_output_folder(args.output, args.overwrite)
    model = load_model(args.model, token=token)
    card = read_card(args, model.card)
    name = f"{args.repo_id}@{args.revision}" if args.revision else args.repo_id
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.output or Path(temporary, "model")
        model.save_pretrained(folder, card, args.half, with_bin=True, hub_name=name)
        answer = {
            "repo_id": args.repo_id,
            "private": args.private,
            "pushed": args.push,
            "reference": None,
            "output": args.output and str(args.output),
            **list_folder(folder),
        }
        if args.push:
            message = args.commit_message or f"Upload {type(model).__name__}"
            answer["reference"] = push_folder(
                folder, args.repo_id, args.private, token, args.revision, message
            )
    return answer


def read_card(args, saved):
    """The card: what was saved with the model, over that the file, over that the options.

    Args:
        args (argparse.Namespace): The options.
        saved (Card | None): Of the model.

    Returns:
        Card: With the training configuration of ``training.json`` beside the model, if there is one
        and nothing else was said.
    """
    import json

    from ..weights.card import Card, training_rows

    fields = {} if saved is None else saved.to_dict()
    record = Path(args.model, "training.json")
    if record.is_file() and not fields.get("training"):
        fields["training"] = training_rows(_read_json(json, record))
    if args.card is not None:
        fields |= _read_json(json, args.card)
    names = ("title", "description", "license", "license_name", "license_link", "results_on")
    fields |= {n: getattr(args, n) for n in (*names, "datasets") if getattr(args, n) is not None}
    return Card.of(fields)


def list_folder(folder):
    """What is in a model's folder, for the answer."""
    from ..weights.hub import CARD

    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        "files": {path.relative_to(folder).as_posix(): path.stat().st_size for path in files},
        "card": (folder / CARD).read_text(encoding="utf-8"),
    }


def describe(answer):
    """The files, the card, and whether anything was sent."""
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


def _read_json(json, path):
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} must hold an object, got {type(content).__name__}")
    return content
