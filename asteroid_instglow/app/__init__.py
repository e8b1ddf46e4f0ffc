"""The app: separates a song in the browser and plays the stems in a mixer."""

from .studio import Studio

__all__ = ["Studio"]
