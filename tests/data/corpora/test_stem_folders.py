"""Songs as <source>/<song>.wav."""

import numpy as np
import pytest
import soundfile as sf
from dataset_folders import RATE, tone

from asteroid_instglow.audio.io import load_audio
from asteroid_instglow.data.corpora.prepare import prepare
from asteroid_instglow.data.corpora.stem_folders import stem_folder_tracks

TINY = {"sample_rate": 22050, "piece_seconds": (0.5, 0.8), "min_seconds": 0.3, "progress": False}


class TestStemFolders:
    def write(self, root, source, name, pitch=300, seconds=1.0):
        (root / source).mkdir(parents=True, exist_ok=True)
        sf.write(root / source / f"{name}.wav", tone(seconds, pitch), RATE)

    def test_songs_are_told_apart_by_name(self, tmp_path):
        for i in range(10):
            self.write(tmp_path / "in", "kantele", f"søng {i}", 300 + i)
            self.write(tmp_path / "in", "jouhikko", f"søng {i}", 100 + i, seconds=0.7)
        self.write(tmp_path / "in", "kantele", "alone")
        tracks = stem_folder_tracks(tmp_path / "in")

        manifest = prepare(tracks, tmp_path / "out", ["jouhikko", "kantele"], **TINY)
        assert {split: manifest[split]["tracks"] for split in ("train", "validation", "test")} == {
            "train": 9,
            "validation": 1,
            "test": 1,
        }
        assert stem_folder_tracks(tmp_path / "in") == tracks
        assert stem_folder_tracks(tmp_path / "in", seed=1) != tracks
        (track,) = (tmp_path / "out" / "test").iterdir()
        wavs = {path.stem: load_audio(path)[0] for path in track.iterdir()}
        total = sum(wav for name, wav in wavs.items() if name != "mixture")
        np.testing.assert_allclose(total, wavs["mixture"], atol=2 / 2**15)

    def test_given_splits_are_kept(self, tmp_path):
        for split in ("train", "test"):
            self.write(tmp_path / split, "bass", f"{split} song")
        assert [(t.split, t.name) for t in stem_folder_tracks(tmp_path)] == [
            ("train", "train song"),
            ("test", "test song"),
        ]

    def test_wrong_folders_are_refused(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="folder of stems"):
            stem_folder_tracks(tmp_path / "nothing")
        with pytest.raises(ValueError, match="no audio"):
            stem_folder_tracks(tmp_path)
        self.write(tmp_path, "bass", "one")
        sf.write(tmp_path / "bass" / "one.flac", tone(0.1, 100), RATE)
        with pytest.raises(ValueError, match="each stem of a song once"):
            stem_folder_tracks(tmp_path)
