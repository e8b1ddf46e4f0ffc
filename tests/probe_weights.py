"""Weights of the probe's network, from which the band-split encoder comes."""

import re


def convert_roformer(state_dict):
    """Names the tensors of a ``BandRoformer`` as :class:`BandSplitEncoder` does, in float32."""
    rules = [
        (r"^inp\.", "split."),
        (r"^hid\.", "hidden."),
        (r"^outs\.", "mask."),
        (r"\.n([12])\.", r".norm\1."),
        (r"\.w$", ".weight"),
        (r"\.b$", ".bias"),
    ]
    renamed = {}
    for name, value in state_dict.items():
        for pattern, replacement in rules:
            name = re.sub(pattern, replacement, name)
        renamed[name] = value.float()
    return renamed
