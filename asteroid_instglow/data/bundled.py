"""A few minutes of solos that ship with the package, a background for folders of one source."""

from importlib import resources
from pathlib import Path


def bundled_solos() -> Path:
    """Returns the folder of the bundled solos, ``<source>/<name>.ogg``.

    Excerpts of recordings and of rendered recorded notes, CC0, MIT or public domain;
    ``LICENCES.md`` beside this module names the authors.
    """
    return Path(str(resources.files(__package__))) / "bundled_solos"
