"""Weights of a prior in the form of the published checkpoints."""

import torch


def published(prior):
    """(checkpoint, config) that hold the weights of ``prior`` in the published form.

    Frames 2t and 2t + 1 of channel c are our channels 2c and 2c + 1, or another order: it is asked
    for by squeezing channel numbers, and put into the published one, all even frames first.
    """
    n_chan, flow = prior.n_chan, prior.flow
    numbers = torch.arange(2 * n_chan, dtype=torch.float32).view(2, n_chan).T[None]
    order = flow.squeeze(numbers)[0].flatten().long()
    half = order[:n_chan]
    tensors = {}
    for i, step in enumerate(flow.steps.transforms):
        head = f"decoder.flows.{i}."
        if i % 3 == 0:
            for name, value in (("logs", step.log_scale), ("bias", step.bias)):
                tensors[head + name] = back(value.detach().flatten(), order)[None, :, None]
        elif i % 3 == 1:
            tensors[head + "weight"] = step.weight.detach()
        else:
            for name, value in step.conditioner.state_dict().items():
                name = name.replace("parametrizations.weight.original0", "weight_g")
                name = name.replace("parametrizations.weight.original1", "weight_v")
                if name == "start.weight_v":
                    value = back(value.transpose(0, 1), half).transpose(0, 1)
                if name.startswith("end."):
                    value = back(value, order)
                wn = "" if name.startswith(("start.", "end.")) else "wn."
                tensors[head + wn + name] = value
    args = prior.get_model_args()
    model = {
        "n_blocks_dec": args["n_blocks"],
        "hidden_channels": 1,
        "hidden_channels_dec": args["hidden"],
        "kernel_size_dec": args["kernel_size"],
        "n_block_layers": args["n_layers"],
        "dilation_rate": args["dilation_rate"],
        "p_dropout_dec": args["dropout"],
        "n_sqz": 2,
        "n_split": 4,
        "sigmoid_scale": args["sigmoid_scale"],
        "gin_channels": 256,
    }
    data = {"sampling_rate": args["sample_rate"], "filter_length": args["n_fft"]}
    data |= {"hop_length": args["hop_length"], "win_length": args["n_fft"]}
    config = {"train": {"learning_rate": 1e-4}, "data": data, "model": model}
    return {"model": tensors, "iteration": 7, "learning_rate": 1e-4}, config


def back(value, order):
    out = torch.empty_like(value)
    out[order] = value
    return out
