"""Reads the checkpoints of the published implementation ("G_<epoch>.pth" and "config.json")."""

import re
from pathlib import Path
from typing import Any

import torch

from .tensors import State, load_pickle

_MODEL_KEYS = {
    "n_blocks_dec": "n_blocks",
    "kernel_size_dec": "kernel_size",
    "n_block_layers": "n_layers",
    "dilation_rate": "dilation_rate",
    "n_sqz": "n_sqz",
    "n_split": "n_split",
    "sigmoid_scale": "sigmoid_scale",
    "p_dropout_dec": "dropout",
}
_DATA_KEYS = {"sampling_rate": "sample_rate", "filter_length": "n_fft", "hop_length": "hop_length"}
# Every published flow has these, and none uses them: there is no speaker to condition on.
_UNUSED = re.compile(r"\.wn\.cond_layer\.")


def published_config(config: dict[str, Any]) -> dict[str, Any]:
    """Converts a published configuration to arguments of :class:`~asteroid_instglow.GlowPrior`."""
    try:
        model, data = config["model"], config["data"]
        args = {ours: data[theirs] for theirs, ours in _DATA_KEYS.items()}
        args.update(
            {ours: model[theirs] for theirs, ours in _MODEL_KEYS.items() if theirs in model}
        )
        args["hidden"] = model.get("hidden_channels_dec") or model["hidden_channels"]
    except KeyError as error:
        raise ValueError(f"config must have the published entry {error}, got none") from None
    n_chan = args["n_fft"] // 2 + 1
    n_chan += n_chan % 2
    if data.get("n_ipt_channels", n_chan) != n_chan:
        raise ValueError(
            f"config: n_ipt_channels must be {n_chan} for filter_length {args['n_fft']}, "
            f"got {data['n_ipt_channels']}"
        )
    if data.get("win_length", args["n_fft"]) != args["n_fft"]:
        raise ValueError(
            f"config: win_length must equal filter_length {args['n_fft']}, got {data['win_length']}"
        )
    return args


def published_tensors(checkpoint: str | Path | dict, flow: Any) -> State:
    """Converts a published checkpoint to the state of a :class:`~asteroid_instglow.flows.Glow`.

    Args:
        checkpoint (str | Path | dict): File, or its content; with or without the prefixes
            ``module.`` and ``model.`` that wrappers add.
        flow (Glow): The flow, whose names and shapes are wanted.

    Returns:
        dict: A state dict that loads strictly into ``flow``.

    Raises:
        ValueError: Naming every tensor that is missing, unexpected or of the wrong shape.
    """
    if not isinstance(checkpoint, dict):
        path = Path(checkpoint)
        if not path.is_file():
            raise FileNotFoundError(f"checkpoint must be a file, got {path}")
        checkpoint = load_pickle(path)
    tensors = checkpoint.get("model", checkpoint.get("state_dict", checkpoint))
    pairs = tensors.items() if isinstance(tensors, dict) else [(None, tensors)]
    if not all(isinstance(k, str) and isinstance(v, torch.Tensor) for k, v in pairs):
        raise ValueError(
            f'checkpoint must have a dict of tensors as "model", got {sorted(map(str, checkpoint))}'
        )
    found = {}
    for name, value in tensors.items():
        name = re.sub(r"^(module\.|model\.)*", "", name)
        if not _UNUSED.search(name):
            found[name] = value
    order = flow.squeeze.order(flow.steps.transforms[0].bias.shape[0])
    state, problems = {}, []
    for ours, wanted in flow.state_dict().items():
        if ours.endswith("initialised"):
            state[ours] = torch.tensor(True)
            continue
        theirs = _published_name(ours)
        if theirs not in found:
            problems.append(f"{theirs} is missing")
            continue
        value = found.pop(theirs)
        if theirs.endswith((".logs", ".bias")) and value.ndim == 3 and value.shape[0] == 1:
            value = value[0]
        if value.shape != wanted.shape:
            problems.append(f"{theirs} must be {tuple(wanted.shape)}, got {tuple(value.shape)}")
            continue
        state[ours] = _regroup(theirs, value.float(), order)
    problems += [f"{name} is unexpected" for name in found]
    if problems:
        raise ValueError("checkpoint does not fit its config: " + "; ".join(problems))
    return state


def _published_name(ours: str) -> str:
    name = ours.replace("steps.transforms.", "decoder.flows.").replace(".log_scale", ".logs")
    name = name.replace(".parametrizations.weight.original0", ".weight_g")
    name = name.replace(".parametrizations.weight.original1", ".weight_v")
    name = re.sub(r"\.conditioner\.(in_layers|res_skip_layers)", r".wn.\1", name)
    return name.replace(".conditioner.", ".")


def _regroup(name: str, value: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
    # Reorders squeezed channels from the published order to that of our Squeeze.
    half = order[: len(order) // 2]
    if name.endswith(".logs") or re.search(r"flows\.\d+\.bias$", name):
        return value[order]
    if name.endswith(".start.weight_v"):
        return value[:, half]
    if ".end." in name:
        return value[order]
    return value
