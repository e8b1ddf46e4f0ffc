"""The small world that every case happens in: models, songs, recordings, scores."""

import contextlib
import io
import os
import subprocess
from functools import cached_property
from pathlib import Path

import numpy as np
import soundfile as sf
from conftest import tiny_prior

from asteroid_instglow import GenerativeSeparator
from asteroid_instglow.cli import main
from asteroid_instglow.training import prior as _imported  # noqa: F401 - not in the first case

RATE = 8000
SOURCES = ("bass", "drums")
ENCODER = {"n_fft": 64, "hop_length": 16, "width": 4}
# Kind of file: suffix, rate, and the arguments of ffmpeg that write it.
KINDS = {
    "wav": (".wav", RATE, ["-c:a", "pcm_s16le"]),
    "wav24": (".wav", RATE, ["-c:a", "pcm_s24le"]),
    "wavfloat": (".wav", RATE, ["-c:a", "pcm_f32le"]),
    "flac": (".flac", RATE, ["-c:a", "flac"]),
    "ogg": (".ogg", RATE, ["-c:a", "libvorbis"]),
    "mp3": (".mp3", RATE, ["-c:a", "libmp3lame"]),
    "mp3bare": (".mp3", RATE, ["-c:a", "libmp3lame", "-write_xing", "0", "-id3v2_version", "0"]),
    "aiff": (".aiff", RATE, ["-f", "aiff"]),
    "caf": (".caf", RATE, ["-f", "caf"]),
    "au": (".au", RATE, ["-f", "au"]),
    "w64": (".w64", RATE, ["-f", "w64"]),
    "opus": (".opus", 48000, ["-c:a", "libopus"]),
    "webm": (".webm", 48000, ["-c:a", "libopus"]),
    "m4a": (".m4a", RATE, ["-c:a", "aac"]),
    "alac": (".m4a", RATE, ["-c:a", "alac"]),
    "mka": (".mka", RATE, ["-c:a", "flac"]),
    "wma": (".wma", RATE, ["-c:a", "wmav2"]),
    "wavpack": (".wv", RATE, ["-c:a", "wavpack"]),
    "tta": (".tta", RATE, ["-c:a", "tta"]),
    "aac": (".aac", RATE, ["-c:a", "aac", "-f", "adts"]),
    "ac3": (".ac3", 48000, ["-c:a", "ac3"]),
    "ts": (".ts", 48000, ["-c:a", "mp2", "-f", "mpegts"]),
    "tsaac": (".ts", 48000, ["-c:a", "aac", "-f", "mpegts"]),
    "mpg": (".mpg", 48000, ["-c:a", "mp2", "-f", "mpeg"]),
    "mp2": (".mp2", 48000, ["-c:a", "mp2"]),
    "avi": (".avi", RATE, ["-c:a", "libmp3lame"]),
    "webmlive": (".webm", 48000, ["-c:a", "libopus", "-live", "1"]),
    "m4aparts": (".m4a", RATE, ["-movflags", "empty_moov", "-frag_duration", "200000"]),
    "oggflac": (".ogg", RATE, ["-c:a", "flac"]),
}
LENGTH = 1.5  # of a song, seconds


class World:
    """Makes models and data in a folder.

    Args:
        root (Path): An empty folder.

    Attributes:
        prior (Path): Folder of a prior with an encoder.
        band (Path): Folder of a separator of two of them.
        audio (dict[str, Path]): An undamaged file of each kind.
    """

    def __init__(self, root: Path):
        # What is kept between cases lies beside the world, where no change is looked for.
        self.beside, self.root = Path(root) / "beside", Path(root) / "world"
        root = self.root
        for folder in (self.beside, root):
            folder.mkdir()
        self.band, self.prior = root / "models" / "band", root / "models" / "bass"
        priors = {n: tiny_prior(n, i, n_blocks=1, encoder=ENCODER) for i, n in enumerate(SOURCES)}
        priors["bass"].save_pretrained(self.prior)
        priors["drums"].save_pretrained(root / "models" / "drums")
        self.separator = GenerativeSeparator(priors).eval()
        self.separator.save_pretrained(self.band)
        self.song = root / "song.wav"
        self._write_songs()
        self._write_oddities()

    def _write_songs(self):
        rng = np.random.default_rng(0)
        stems = {name: 0.1 * rng.standard_normal((int(RATE * LENGTH), 2)) for name in SOURCES}
        for place, leak in (("references", 0.0), ("estimates", 0.2), ("solos", 0.0)):
            for track in ("a", "b", "c"):
                folder = self.root / place / track
                folder.mkdir(parents=True)
                for name, other in zip(SOURCES, reversed(SOURCES)):
                    sf.write(folder / f"{name}.wav", stems[name] + leak * stems[other], RATE)
        sf.write(self.song, sum(stems.values()), RATE)

    @cached_property
    def audio(self):
        # Not before a case asks for it: that takes seconds.
        folder, paths = self.root / "audio", {}
        folder.mkdir()
        for kind, (suffix, rate, options) in KINDS.items():
            path = folder / f"{kind}{suffix}"
            line = ["ffmpeg", "-v", "error", "-y", "-i", self.song, "-ar", str(rate), *options]
            subprocess.run([*line, path], check=True, stdin=subprocess.DEVNULL)
            paths[kind] = path
        return paths

    def _write_oddities(self):
        # Scores to report, and things that are no files.
        root = self.root
        (root / "experiment").mkdir()
        argv = ["evaluate", root / "references", root / "estimates", "--protocol", "si-sdr"]
        with contextlib.redirect_stdout(io.StringIO()):
            main([*map(str, argv), "-o", str(root / "experiment"), "--quiet", "--json"])
        os.mkfifo(root / "fifo")
        (root / "loop").symlink_to(root / "loop")
        (root / "empty").mkdir()
        (root / "text").write_text("no audio\n")
