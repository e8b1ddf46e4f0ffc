"""Audio files: what goes in comes out, parts equal wholes, and every bad file is refused."""

import shutil
import subprocess

import numpy as np
import pytest
import soundfile as sf
import torch
from sounds import noise, tone
from torch.testing import assert_close

from asteroid_instglow.audio import reading
from asteroid_instglow.audio.io import audio_info, load_audio, save_audio

needs_ffmpeg = pytest.mark.skipif(
    shutil.which("ffmpeg") is None, reason="ffmpeg, which issue 2 makes optional, is not installed"
)


def ffmpeg(*options):
    subprocess.run(["ffmpeg", "-v", "error", "-y", *map(str, options)], check=True)


# Reading and writing


KINDS = ["wav FLOAT", "wav PCM_16", "wav PCM_24", "flac PCM_16", "flac PCM_24"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channels", [1, 2, 8])
def test_what_was_read_is_written_back_bit_for_bit(tmp_path, kind, channels):
    suffix, subtype = kind.split()
    bound = {"FLOAT": 2.0**-26, "PCM_16": 2.0**-16, "PCM_24": 2.0**-24}[subtype]
    wav = noise(channels, 3000)
    wav[0, :2] = torch.tensor([-1.0, 1.0])
    first, second = tmp_path / f"a.{suffix}", tmp_path / f"b.{suffix}"
    save_audio(first, wav, 44100, subtype)
    read, rate = load_audio(first)
    assert rate == 44100 and read.dtype == torch.float32 and read.shape == wav.shape
    # A half step, and a whole one at +1.0, which integers cannot hold.
    assert (read - wav).abs()[:, 2:].max() <= bound
    assert (read - wav).abs().max() <= 2 * bound
    save_audio(second, read, rate, subtype)
    assert torch.equal(load_audio(second)[0], read)
    info = audio_info(first)
    assert info[:4] == (44100, channels, 3000, 3000 / 44100) and info.codec.endswith(subtype)


@pytest.mark.parametrize("suffix", ["ogg", "mp3"])
def test_lossy_files_keep_rate_length_and_channels(tmp_path, suffix):
    wav = torch.stack([tone(440, 44100, 1), tone(660, 44100, 1)])
    save_audio(tmp_path / f"a.{suffix}", wav, 44100)
    read, rate = load_audio(tmp_path / f"a.{suffix}")
    assert rate == 44100 and read.shape == wav.shape
    error = (read - wav)[:, 4000:-4000]
    assert 10 * torch.log10(wav.square().mean() / error.square().mean()) > 15


def test_long_ogg_does_not_crash(tmp_path):
    save_audio(tmp_path / "a.ogg", noise(1, 44100 * 200), 44100)
    assert audio_info(tmp_path / "a.ogg").seconds == pytest.approx(200)


def test_arrays_doubles_and_one_dimension_are_taken(tmp_path):
    wav = noise(500).double()
    for name, given in {"a": wav, "b": wav.numpy(), "c": wav[None].float()}.items():
        save_audio(tmp_path / f"{name}.wav", given, 8000, "FLOAT")
        assert_close(load_audio(tmp_path / f"{name}.wav")[0], wav[None].float())


def test_8_bit_and_32_bit_integers_lie_in_unit_range(tmp_path):
    for subtype in ("PCM_U8", "PCM_32"):
        wav = np.linspace(-1, 0.99, 1000)
        sf.write(tmp_path / "a.wav", wav, 8000, subtype=subtype)
        read, _ = load_audio(tmp_path / "a.wav")
        assert np.abs(read[0].numpy() - wav).max() < 0.01


@needs_ffmpeg
def test_streams_of_a_container(tmp_path):
    parts = []
    for number, frequency in enumerate((300, 500, 700)):
        parts += ["-i", tmp_path / f"{number}.wav"]
        save_audio(tmp_path / f"{number}.wav", tone(frequency, 22050, 1), 22050)
    path = tmp_path / "song.stem.mp4"
    ffmpeg(*parts, "-map", "0", "-map", "1", "-map", "2", "-c:a", "aac", path)
    info = audio_info(path)
    assert info.n_streams == 3
    for stream, frequency in enumerate((300, 500, 700)):
        wav, rate = load_audio(path, stream=stream)
        spectrum = torch.fft.rfft(wav[0]).abs()
        assert spectrum.argmax() * rate / wav.shape[-1] == pytest.approx(frequency, abs=2)
        assert info.frames == wav.shape[-1]
    with pytest.raises(ValueError, match="stream must be 0 to 2"):
        load_audio(path, stream=3)


@needs_ffmpeg
@pytest.mark.parametrize("name", ["pipe.flac", "noheader.mp3", "tune.m4a"])
def test_lengths_that_libsndfile_cannot_know(tmp_path, name):
    silence_then_noise = torch.cat([torch.zeros(44100), noise(441000, scale=0.3)])
    save_audio(tmp_path / "a.wav", silence_then_noise, 44100)
    output = ["-f", "flac", "pipe:1"] if name == "pipe.flac" else ["-q:a", "4", "-write_xing", "0"]
    if name == "pipe.flac":
        with (tmp_path / name).open("wb") as file:
            line = ["ffmpeg", "-v", "error", "-i", tmp_path / "a.wav", *output]
            subprocess.run(line, check=True, stdout=file)
    elif name == "noheader.mp3":
        ffmpeg("-i", tmp_path / "a.wav", *output, tmp_path / name)
    else:
        ffmpeg("-i", tmp_path / "a.wav", tmp_path / name)
    assert audio_info(tmp_path / name).seconds == pytest.approx(11, abs=0.1)
    assert load_audio(tmp_path / name)[0].shape[-1] == pytest.approx(485100, abs=4000)


def test_stream_of_a_plain_file(tmp_path):
    save_audio(tmp_path / "a.wav", noise(100), 8000)
    with pytest.raises(ValueError, match="stream must be 0 to 0"):
        load_audio(tmp_path / "a.wav", stream=1)


@pytest.mark.parametrize(("start", "frames"), [(-1, 5), (0, 101), (100, None), (5, 0)])
def test_a_part_must_lie_within(tmp_path, start, frames):
    save_audio(tmp_path / "a.wav", noise(100), 8000)
    with pytest.raises(ValueError, match="must lie within the 100 frames"):
        load_audio(tmp_path / "a.wav", None, start, frames)


# Bad files


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("nowhere.wav", FileNotFoundError, "there is no file .*nowhere.wav"),
        ("folder", ValueError, "got a folder"),
        ("empty.wav", ValueError, "empty.wav .*0 bytes"),
        ("zero.wav", ValueError, "zero.wav must"),
        ("zero.flac", ValueError, "zero.flac must"),
    ],
)
def test_nothing_to_read(tmp_path, name, error, message):
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty.wav").touch()
    for suffix in ("wav", "flac"):
        sf.write(tmp_path / f"zero.{suffix}", np.zeros((0, 2)), 8000)
    with pytest.raises(error, match=message):
        load_audio(tmp_path / name)


def test_ten_samples_are_read(tmp_path):
    save_audio(tmp_path / "a.wav", noise(1, 10), 8000)
    assert load_audio(tmp_path / "a.wav")[0].shape == (1, 10)


@pytest.mark.parametrize("with_ffmpeg", [True, False])
def test_text_renamed(tmp_path, monkeypatch, with_ffmpeg):
    if not with_ffmpeg:
        monkeypatch.setattr(reading.shutil, "which", lambda name: None)
    (tmp_path / "a.wav").write_text("no audio at all, only words\n" * 100)
    with pytest.raises(ValueError, match="a.wav must be an audio file"):
        load_audio(tmp_path / "a.wav")


@needs_ffmpeg
def test_playlist_renamed_reads_nothing_else(tmp_path):
    ffmpeg("-f", "lavfi", "-i", "sine=duration=1", tmp_path / "secret.aac")
    playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://localhost:9/secret.aac\n"
    (tmp_path / "a.wav").write_text(playlist)
    with pytest.raises(ValueError, match="cannot be decoded"):
        load_audio(tmp_path / "a.wav")


def test_names_ffmpeg_might_misread(tmp_path):
    folder = tmp_path / "-i http:"
    folder.mkdir()
    (folder / "-x:y.m4a").write_text("words" * 100)
    with pytest.raises(ValueError, match="-x:y.m4a must be an audio file"):
        load_audio(folder / "-x:y.m4a")


def test_damaged_in_the_middle(tmp_path):
    save_audio(tmp_path / "a.flac", noise(2, 50000), 44100)
    data = bytearray((tmp_path / "a.flac").read_bytes())
    data[len(data) // 2 : len(data) // 2 + 20000] = bytes(20000)
    (tmp_path / "a.flac").write_bytes(data)
    with pytest.raises(ValueError, match="a.flac is cut short or damaged"):
        load_audio(tmp_path / "a.flac")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_not_finite(tmp_path, value):
    wav = noise(100, 1).numpy()
    wav[50] = value
    sf.write(tmp_path / "a.wav", wav, 8000, subtype="FLOAT")
    with pytest.raises(ValueError, match="a.wav must hold finite samples"):
        load_audio(tmp_path / "a.wav")
    with pytest.raises(ValueError, match="wav must be finite"):
        save_audio(tmp_path / "b.wav", wav.T, 8000)
    assert not (tmp_path / "b.wav").exists()
