"""Audio files: what goes in comes out, parts equal wholes, and every bad file is refused."""

import os
import resource
import shutil
import subprocess

import numpy as np
import pytest
import soundfile as sf
import torch
from torch.testing import assert_close

from asteroid_instglow.audio import ffmpeg as decoding
from asteroid_instglow.audio import writing
from asteroid_instglow.audio.io import audio_info, load_audio, resample, save_audio

needs_ffmpeg = pytest.mark.skipif(
    shutil.which("ffmpeg") is None, reason="ffmpeg, which issue 2 makes optional, is not installed"
)


def noise(*shape, seed=0, scale=0.1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * scale


def ffmpeg(*options):
    subprocess.run(["ffmpeg", "-v", "error", "-y", *map(str, options)], check=True)


def tone(frequency, rate, seconds, dtype=torch.float64):
    time = torch.arange(int(rate * seconds), dtype=dtype) / rate
    return 0.5 * torch.sin(2 * np.pi * frequency * time)


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
    assert audio_info(path).n_streams == 3
    for stream, frequency in enumerate((300, 500, 700)):
        wav, rate = load_audio(path, stream=stream)
        spectrum = torch.fft.rfft(wav[0]).abs()
        assert spectrum.argmax() * rate / wav.shape[-1] == pytest.approx(frequency, abs=2)
        assert audio_info(path, stream).frames == wav.shape[-1]
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


# Resampling


@pytest.mark.parametrize("orig", [44100, 48000, 11025, 96000, 8000, 22051])
@pytest.mark.parametrize("new", [22050, 44100])
def test_a_tone_stays_itself(orig, new):
    got = resample(tone(1000, orig, 1), orig, new)
    want = tone(1000, new, 1)
    assert got.shape == want.shape
    assert (got - want)[2000:-2000].abs().max() < 1e-4


def test_what_the_new_rate_cannot_hold_vanishes():
    got = resample(tone(13000, 44100, 1), 44100, 22050)
    assert got[2000:-2000].abs().max() < 1e-4


@pytest.mark.parametrize("length", [1, 10, 1001, 44100])
def test_length_is_the_rounded_up_ratio(length):
    for orig, new in ((44100, 22050), (48000, 44100), (22050, 48000)):
        assert resample(noise(2, length), orig, new).shape == (2, -(-length * new // orig))


def test_length_of_long_audio_is_exact():
    # Rounded in float32, as torchaudio does it, this one would be a frame shorter.
    assert resample(torch.ones(11184811), 16000, 24000).shape == (2**24 + 1,)


def test_resampling_is_linear_and_differentiable():
    a, b = noise(1000, seed=1).double().requires_grad_(), noise(1000, seed=2).double()
    assert_close(
        resample(a + b, 48000, 22050), resample(a, 48000, 22050) + resample(b, 48000, 22050)
    )
    resample(a, 48000, 22050).sum().backward()
    assert (a.grad != 0).all()


@pytest.mark.parametrize("rate", [0, -1, 22050.5, True])
def test_rates_are_checked(rate):
    with pytest.raises(ValueError, match="new_rate must be a positive whole number"):
        resample(torch.zeros(10), 8000, rate)


@pytest.mark.parametrize("rate", [44100, 48000, 22050, 11025, 8000])
def test_a_part_equals_the_cut_whole(tmp_path, rate):
    save_audio(tmp_path / "a.flac", noise(2, 2 * rate + 7), rate)
    whole, _ = load_audio(tmp_path / "a.flac", 22050)
    for start, frames in ((0, 100), (12345, 2000), (44000, 90), (0, None), (30000, None)):
        part, _ = load_audio(tmp_path / "a.flac", 22050, start, frames)
        stop = None if frames is None else start + frames
        assert_close(part, whole[:, start:stop], atol=1e-6, rtol=0)


@pytest.mark.parametrize(("start", "frames"), [(-1, 5), (0, 101), (100, None), (5, 0)])
def test_a_part_must_lie_within(tmp_path, start, frames):
    save_audio(tmp_path / "a.wav", noise(100), 8000)
    with pytest.raises(ValueError, match="must lie within the 100 frames"):
        load_audio(tmp_path / "a.wav", None, start, frames)


# Bad files


def test_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file .*nowhere.wav"):
        load_audio(tmp_path / "nowhere.wav")


def test_folder(tmp_path):
    with pytest.raises(ValueError, match="got a folder"):
        load_audio(tmp_path)


def test_empty(tmp_path):
    (tmp_path / "a.wav").touch()
    with pytest.raises(ValueError, match="a.wav .*0 bytes"):
        load_audio(tmp_path / "a.wav")


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_zero_frames(tmp_path, suffix):
    sf.write(tmp_path / f"a.{suffix}", np.zeros((0, 2)), 8000)
    with pytest.raises(ValueError, match=f"a.{suffix} must"):
        load_audio(tmp_path / f"a.{suffix}")


def test_ten_samples_are_read(tmp_path):
    save_audio(tmp_path / "a.wav", noise(1, 10), 8000)
    assert load_audio(tmp_path / "a.wav")[0].shape == (1, 10)


@pytest.mark.parametrize("with_ffmpeg", [True, False])
def test_text_renamed(tmp_path, monkeypatch, with_ffmpeg):
    if not with_ffmpeg:
        monkeypatch.setattr(decoding.shutil, "which", lambda name: None)
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


# Clipping


def test_clip_modes(tmp_path):
    wav = noise(1, 1000, scale=1.0)
    peak = wav.abs().max()
    assert peak > 1
    wanted = {"rescale": wav / peak, "clamp": wav.clamp(-1, 1), "none": wav}
    for clip, want in wanted.items():
        save_audio(tmp_path / f"{clip}.wav", wav, 8000, "FLOAT", clip)
        assert_close(load_audio(tmp_path / f"{clip}.wav")[0], want)
        quiet = tmp_path / f"quiet_{clip}.wav"
        save_audio(quiet, 0.5 * wav / peak, 8000, "FLOAT", clip)
        assert_close(load_audio(quiet)[0], 0.5 * wav / peak)
    for name in ("a.wav", "a.ogg"):
        with pytest.raises(ValueError, match="wav must lie in .* got a peak of"):
            save_audio(tmp_path / name, wav, 8000, "PCM_16", "none")
    assert not (tmp_path / "a.wav").exists()


# Refusals of save_audio


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"subtype": "PCM_8"}, "subtype for .wav must be one of PCM_16, PCM_24, FLOAT"),
        ({"clip": "wrap"}, "clip must be one of rescale, clamp, none, got 'wrap'"),
        ({"sample_rate": 0}, "sample_rate must be"),
        ({"path": "a.txt"}, "path must end in one of .wav"),
        ({"path": "a.flac", "subtype": "FLOAT"}, "subtype for .flac must be one of PCM_16, PCM_24"),
        ({"path": "a.ogg", "sample_rate": 300000}, "at most 192000"),
        ({"path": "a.mp3", "wav": torch.zeros(5, 100)}, "cannot write 5 channels"),
        ({"wav": torch.zeros(0)}, "not empty, got"),
        ({"wav": torch.zeros(1, 2, 3)}, "wav must be .channels, time."),
        ({"wav": torch.zeros(100, 2)}, "wav must be .channels, time."),
        ({"wav": torch.zeros(1, 100, dtype=torch.int16)}, "floating point, got torch.int16"),
    ],
)
def test_refusals_leave_nothing(tmp_path, options, message):
    arguments = {"path": "a.wav", "wav": torch.zeros(1, 100), "sample_rate": 8000, **options}
    arguments["path"] = tmp_path / arguments["path"]
    with pytest.raises(ValueError, match=message):
        save_audio(**arguments)
    assert list(tmp_path.iterdir()) == []


def test_existing_file_is_kept_unless_told(tmp_path):
    path = tmp_path / "a.wav"
    save_audio(path, noise(100), 8000)
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match="a.wav exists already"):
        save_audio(path, noise(100, seed=1), 8000)
    assert path.read_bytes() == before
    save_audio(path, noise(100, seed=1), 8000, overwrite=True)
    assert path.read_bytes() != before


def test_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="the folder of .* does not exist"):
        save_audio(tmp_path / "no" / "a.wav", noise(100), 8000)


def test_read_only_folder(tmp_path, monkeypatch):
    # As root no folder is read-only, so the refusal is played where permissions do not bind.
    tmp_path.chmod(0o555)
    if os.access(tmp_path, os.W_OK):
        monkeypatch.setattr(writing.Path, "open", _read_only)
    with pytest.raises(PermissionError, match="cannot write .*a.wav"):
        save_audio(tmp_path / "a.wav", noise(100), 8000)
    tmp_path.chmod(0o755)
    assert list(tmp_path.iterdir()) == []


def _read_only(path, mode):
    raise OSError(30, "Read-only file system", str(path))


@pytest.mark.parametrize("stop", [KeyboardInterrupt, MemoryError])
def test_stopped_half_way_keeps_the_old_file(tmp_path, monkeypatch, stop):
    path = tmp_path / "a.wav"
    save_audio(path, noise(100), 8000)
    before = path.read_bytes()

    def write(file, samples):
        raise stop

    monkeypatch.setattr(writing.sf.SoundFile, "write", write)
    with pytest.raises(stop):
        save_audio(path, noise(100, seed=1), 8000, overwrite=True)
    assert [file.name for file in tmp_path.iterdir()] == ["a.wav"]
    assert path.read_bytes() == before


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_full_disk(tmp_path, suffix):
    # A limit on the size of files stands in for it.
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20000, before[1]))
    try:
        with pytest.raises(OSError, match="cannot write|were written"):
            save_audio(tmp_path / f"a.{suffix}", noise(1, 100000), 22050)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []
