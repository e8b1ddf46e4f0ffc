"""Separation of a corpus on many machines, with Ray: resumable, with a model in each worker."""

from .listing import CorpusSong, list_songs
from .run import separate_corpus

__all__ = ["CorpusSong", "list_songs", "separate_corpus"]
