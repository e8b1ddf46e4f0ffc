"""Helpers without any knowledge of audio: files, processes, numeric precision."""
