"""Solo recordings to train from, and a small synthetic band to try things on."""

from .band.compose import Note, compose
from .band.synth import make_band, synthesise
from .mixtures import MixDataset, RandomMixtureDataset
from .recordings import Recordings, Solo, as_list, find_solos, list_sources, validation_split
from .solos import SoloDataset
from .sources import find_by_source, list_all_sources, split_by_source

__all__ = [
    "as_list",
    "find_by_source",
    "list_all_sources",
    "split_by_source",
    "MixDataset",
    "RandomMixtureDataset",
    "Note",
    "Recordings",
    "Solo",
    "SoloDataset",
    "compose",
    "find_solos",
    "list_sources",
    "make_band",
    "synthesise",
    "validation_split",
]
