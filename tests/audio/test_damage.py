"""Audio files that were cut short, in every format that is read."""

import shutil
import struct
import subprocess

import numpy as np
import pytest
import soundfile as sf
import torch

from asteroid_instglow.audio.io import AUDIO_SUFFIXES, audio_info, load_audio, save_audio

RATE = 44100
BY_LIBSNDFILE = ["wav", "flac", "ogg", "opus", "mp3", "aiff", "au", "w64"]
BY_FFMPEG = ["noxing.mp3", "webm", "mka", "m4a", "aac", "ac3", "wma", "wv", "tta", "flv"]
# Containers without a length, or of video.
BY_FFMPEG += ["ts", "m2ts", "mpg", "mp2", "avi", "live.webm", "parts.m4a", "flac.ogg"]
OPTIONS = {
    "avi": ["-c:a", "libmp3lame"],
    "flac.ogg": ["-c:a", "flac"],
    "live.webm": ["-c:a", "libopus", "-live", "1"],
    "parts.m4a": ["-movflags", "frag_keyframe+empty_moov", "-frag_duration", "200000"],
    "noxing.mp3": ["-write_xing", "0"],
    "webm": ["-c:a", "libopus"],
    "m4a": ["-movflags", "faststart"],
}

needs_ffmpeg = pytest.mark.skipif(
    shutil.which("ffmpeg") is None, reason="ffmpeg, which issue 2 makes optional, is not installed"
)


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    """A folder with three seconds of noise as ``a.<kind>``."""
    folder = tmp_path_factory.mktemp("songs")
    wav = 0.1 * np.random.default_rng(0).standard_normal((3 * RATE, 2))
    for kind in BY_LIBSNDFILE:
        rate = 48000 if kind == "opus" else RATE
        options = {"subtype": "OPUS", "format": "OGG"} if kind == "opus" else {}
        sf.write(folder / f"a.{kind}", wav, rate, **options)
    for kind in BY_FFMPEG if shutil.which("ffmpeg") else ():
        line = ["ffmpeg", "-v", "error", "-i", folder / "a.wav", *OPTIONS.get(kind, [])]
        subprocess.run([*line, folder / f"a.{kind}"], check=True)
    return folder


@pytest.mark.parametrize(
    "kind", [*BY_LIBSNDFILE, *(pytest.param(kind, marks=needs_ffmpeg) for kind in BY_FFMPEG)]
)
@pytest.mark.parametrize("part", [0.35, 0.801])
def test_whole_files_are_read_and_cut_ones_refused(songs, tmp_path, kind, part):
    whole, cut = songs / f"a.{kind}", tmp_path / f"a.{kind}"
    data = whole.read_bytes()
    cut.write_bytes(data[: int(len(data) * part)])
    wav, rate = load_audio(whole)
    seconds = 3 * RATE / 48000 if kind == "opus" else 3
    assert wav.shape[0] == 2 and wav.shape[1] / rate == pytest.approx(seconds, abs=0.1)
    with pytest.raises(ValueError, match=rf"a\.{kind} (is cut short|must be an audio file)"):
        load_audio(cut)


@needs_ffmpeg
def test_a_wma_that_ends_between_packets_is_refused(songs, tmp_path):
    data = (songs / "a.wma").read_bytes()
    properties = data.find(bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365"))
    packet = int.from_bytes(data[properties + 92 : properties + 96], "little")
    begin = 50 + data.find(bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c"))
    (tmp_path / "a.wma").write_bytes(data[: begin + 2 * packet])
    with pytest.raises(ValueError, match="a.wma is cut short"):
        load_audio(tmp_path / "a.wma")


@needs_ffmpeg
def test_audio_shorter_than_the_video_beside_it_is_whole(songs, tmp_path):
    video = ["-f", "lavfi", "-i", "color=black:s=16x16:d=9:r=5"]
    line = ["ffmpeg", "-v", "error", "-i", songs / "a.wav", *video, "-c:a", "aac"]
    for kind in ("mkv", "mp4"):
        subprocess.run([*line, tmp_path / f"a.{kind}"], check=True)
        wav, rate = load_audio(tmp_path / f"a.{kind}")
        assert wav.shape[1] / rate == pytest.approx(3, abs=0.1)


def test_a_header_that_claims_more_than_a_file_can_hold(songs, tmp_path):
    data = bytearray((songs / "a.flac").read_bytes())
    # The last 36 bits of the first block's 18 bytes of numbers: frames.
    data[21] |= 0x0F
    data[22:26] = b"\xff" * 4
    (tmp_path / "a.flac").write_bytes(data)
    with pytest.raises(ValueError, match=r"a\.flac is damaged: its header says 68719476735"):
        load_audio(tmp_path / "a.flac")


def test_every_suffix_that_is_looked_for_is_tried():
    kinds = {f".{kind.split('.')[-1]}" for kind in BY_LIBSNDFILE + BY_FFMPEG}
    # Read, but not looked for in folders: video.
    assert kinds - set(AUDIO_SUFFIXES) == {".flv", ".ts", ".m2ts", ".mpg", ".mp2", ".avi"}


def test_an_ogg_file_whose_last_page_counts_some_frames_more_is_read(tmp_path):
    path = tmp_path / "a.ogg"
    save_audio(path, 0.1 * torch.randn(1, 30000), 22050)
    wav, _ = load_audio(path)
    page = bytearray(path.read_bytes())
    at = page.rfind(b"OggS")
    for more, is_read in ((4000, True), (20000, False)):
        struct.pack_into("<q", page, at + 6, 30000 + more)
        struct.pack_into("<I", page, at + 22, 0)
        struct.pack_into("<I", page, at + 22, ogg_checksum(page[at:]))
        path.write_bytes(page)
        if is_read:
            again, _ = load_audio(path)
            assert again.shape[1] == 30000 + more == audio_info(path).frames
            assert torch.equal(again[:, :30000], wav)
            assert not again[:, -1000:].any()
        else:
            with pytest.raises(ValueError, match="is cut short: its header says 50000 frames"):
                load_audio(path)


def ogg_checksum(page):
    value = 0
    for byte in page:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1 ^ (0x04C11DB7 if value & 0x80000000 else 0)) & 0xFFFFFFFF
    return value
