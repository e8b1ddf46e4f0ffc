"""Data sets of recorded music: download, reading and preparation."""
