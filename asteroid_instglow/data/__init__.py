"""Solo recordings to train from, and a small synthetic band to try things on."""

from .band.compose import Note, compose
from .band.synth import make_band, synthesise
from .effects import apply_effects
from .folders import (
    Data,
    DataFolder,
    Solo,
    as_folders,
    find_by_source,
    find_solos,
    list_sources,
    parse_folder,
)
from .mixtures import MixDataset, RandomMixtureDataset
from .recordings import Recordings
from .solos import SoloDataset
from .splitting import data_digest, split_by_source, validation_split

__all__ = [
    "Data",
    "DataFolder",
    "MixDataset",
    "Note",
    "RandomMixtureDataset",
    "Recordings",
    "Solo",
    "SoloDataset",
    "apply_effects",
    "as_folders",
    "compose",
    "data_digest",
    "find_by_source",
    "find_solos",
    "list_sources",
    "make_band",
    "parse_folder",
    "split_by_source",
    "synthesise",
    "validation_split",
]
