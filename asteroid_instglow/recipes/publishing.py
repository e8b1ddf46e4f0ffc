"""Stage 3 of a recipe: writes the separator with its card, and sends it to the Hub."""

import json
from pathlib import Path
from typing import Any

from ..evaluation import PROTOCOLS
from ..report.experiment import RECORDS
from ..separator import GenerativeSeparator
from .testing import METRICS


def publish(
    separator: GenerativeSeparator,
    exp: str | Path,
    card: dict[str, Any],
    repo_id: str | None = None,
    push: bool = False,
    private: bool = False,
) -> str | None:
    """Writes ``publish_dir/`` with a model card made from the records, and sends it if asked to.

    Args:
        separator (GenerativeSeparator): Separator to publish.
        exp (str | Path): Folder of the experiment.
        card (dict): Fields of :class:`~.weights.card.Card`: title, license, datasets, ...
        repo_id (str, optional): "user/name".
        push (bool): Whether to send it.
        private (bool): Whether the repository is private.

    Returns:
        str: "user/name@commit", or None if nothing was sent.
    """
    exp = Path(exp)
    metrics = json.loads((exp / METRICS).read_text(encoding="utf-8"))
    records = {source: _records(exp / "priors" / source) for source in separator.sources}
    training = {source: "; ".join(map(_outcome, found)) for source, found in records.items()}
    last = records[separator.sources[-1]][0]
    arguments = last["arguments"]
    training |= {n: arguments[n] for n in ("batch_size", "segment", "lr", "precision", "seed")}
    training["hardware"] = last["hardware"]["gpus"] or last["hardware"]["machine"]
    training["versions"] = last["versions"]
    protocols = [name for name in metrics if name in PROTOCOLS]
    results: dict[str, dict[str, Any]] = {}
    for protocol in protocols:
        main = PROTOCOLS[protocol].main_metric
        for source, row in metrics[protocol].items():
            results.setdefault(source, {})[f"{main} ({protocol}, dB)"] = _round(row[main])
    card = {
        "training": training,
        "results": results,
        "results_on": f"the test set ({metrics['n_tracks']} tracks), {', '.join(protocols)}",
        **card,
    }
    separator.save_pretrained(exp / "publish_dir", card=card, with_bin=True, hub_name=repo_id)
    if not push:
        return None
    if repo_id is None:
        raise ValueError("repo_id must be user/name to push to, got None")
    return separator.push_to_hub(repo_id, private=private, card=card)


def _records(prior: Path) -> list[dict[str, Any]]:
    # The record of the flow, and of the encoder if there is one.
    paths = (prior / name for name in RECORDS)
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.is_file()]


def _outcome(record: dict[str, Any]) -> str:
    steps = f"{record['steps']} steps"
    if "nll_after" in record:
        return f"{steps}, validation {record['nll_after']:.3f} nats/dim"
    if "loss_after" in record:
        return f"encoder {steps}, validation loss {record['loss_after']:.3f}"
    return "encoder as pretrained"


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
