"""Looking into folders of saved models."""

import json
import os

import torch


def same_weights(model, other):
    a, b = model.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def files(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def edit(folder, **changes):
    """Changes configuration entries; those of the model's arguments begin with "arg_"."""
    config = json.loads((folder / "config.json").read_text())
    for name, value in changes.items():
        place = config["model_args"] if name.startswith("arg_") else config
        place[name.removeprefix("arg_")] = value
    (folder / "config.json").write_text(json.dumps(config))


class Malicious:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)
