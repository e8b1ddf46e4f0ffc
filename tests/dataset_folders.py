"""Small data sets in the layouts of the real ones, synthesised, with the oddities these have."""

import subprocess
from pathlib import Path

import numpy as np
import soundfile as sf
import yaml

RATE = 44100
STEMS = ("drums", "bass", "other", "vocals")  # in the order of a stem.mp4, behind the mixture
VALIDATION = "ANiMAL - Rockshow"  # of the official 14
SPECIAL = "Ångström - Straße № 5"


def tone(seconds, pitch, seed=0, rate=RATE, channels=2, level=0.1):
    """(time, channels): a tone under noise, a little different in each channel."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    wav = np.sin(2 * np.pi * pitch * time)[:, None] + 0.1 * rng.standard_normal((len(time), 1))
    return level * wav * (1 + 0.2 * np.arange(channels))


def song(seconds, seed=0):
    """Stems of a song: name to (time, 2)."""
    pitches = {"drums": 1500, "bass": 80, "other": 700, "vocals": 300}
    return {n: tone(seconds, pitches[n] + 5 * seed, seed) for n in STEMS}


def write_hq(folder, stems):
    """A track of MUSDB18-HQ; the mixture is the sum of the stems, as long as the longest."""
    folder.mkdir(parents=True)
    mixture = np.zeros((max(map(len, stems.values())), 2))
    for name, wav in stems.items():
        mixture[: len(wav)] += wav
        sf.write(folder / f"{name}.wav", wav, RATE, "PCM_16")
    sf.write(folder / "mixture.wav", mixture, RATE, "PCM_16")


def write_stem_mp4(path, stems):
    """A track of MUSDB18: five AAC streams, the mixture first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    raw = path.parent / "raw"
    write_hq(raw, stems)
    names = [name for name in ("mixture", *STEMS) if (raw / f"{name}.wav").is_file()]
    inputs = [arg for name in names for arg in ("-i", raw / f"{name}.wav")]
    maps = [arg for i in range(len(names)) for arg in ("-map", str(i))]
    command = ["ffmpeg", "-loglevel", "error", "-y", *inputs, *maps, "-c:a", "aac", path]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    for name in names:
        (raw / f"{name}.wav").unlink()
    raw.rmdir()


def make_musdb_hq(root, seconds=3.0):
    """MUSDB18-HQ with a silent stem, a short one, a missing one and a name that is not ASCII."""
    root = Path(root)
    write_hq(root / "train" / "Artist - Song", song(seconds, 1))
    odd = song(seconds, 2)
    odd["vocals"] = 0 * odd["vocals"]
    odd["bass"] = odd["bass"][: len(odd["bass"]) // 2]
    write_hq(root / "train" / SPECIAL, odd)
    lacking = song(seconds, 3)
    del lacking["bass"]
    write_hq(root / "train" / "Nobody - No Bass", lacking)
    write_hq(root / "train" / VALIDATION, song(seconds, 4))
    write_hq(root / "test" / "AM Contra - Heart Peripheral", song(seconds, 5))
    write_hq(root / "test" / SPECIAL, odd)
    return root


def make_musdb_stems(root, seconds=3.0):
    """MUSDB18 as stem.mp4, decoded to another length than was encoded; one stem is short."""
    root = Path(root)
    odd = song(seconds + 0.013, 2)
    odd["other"] = 0 * odd["other"]
    write_stem_mp4(root / "train" / f"{SPECIAL}.stem.mp4", odd)
    write_stem_mp4(root / "train" / f"{VALIDATION}.stem.mp4", song(seconds, 3))
    short = song(seconds, 4)
    short["vocals"] = short["vocals"][: len(short["vocals"]) // 2]
    write_stem_mp4(root / "test" / f"{SPECIAL}.stem.mp4", short)
    return root


# name: (program, class, is_drum, pitch); programs of a group differ, as in the real data
INSTRUMENTS = {
    "S00": (33, "Bass", False, 80),
    "S01": (128, "Drums", True, 1500),
    "S02": (27, "Guitar", False, 400),
    "S03": (30, "Guitar", False, 500),
    "S04": (0, "Piano", False, 700),
    "S05": (48, "Strings (continued)", False, 900),
}


def write_slakh_track(
    folder, seconds=3.0, seed=0, rate=RATE, suffix=".flac", without=(), silent=(), short=()
):
    """A track of Slakh2100.

    Args:
        without: Stems that are in the metadata and not on disk.
        silent: Stems of zeros.
        short: Stems of half the length.
    """
    (folder / "stems").mkdir(parents=True)
    entries, mixture = {}, np.zeros(round(seconds * rate))
    for name, (program, kind, is_drum, pitch) in INSTRUMENTS.items():
        entries[name] = {
            "audio_rendered": True,
            "inst_class": kind,
            "integrated_loudness": -13.0,
            "is_drum": is_drum,
            "midi_program_name": kind,
            "midi_saved": True,
            "plugin_name": "some.nkm",
            "program_num": program,
        }
        if name in without:
            continue
        wav = tone(seconds, pitch + 5 * seed, seed, rate, channels=1)[:, 0] * (name not in silent)
        wav = wav[: len(wav) // 2] if name in short else wav
        mixture[: len(wav)] += wav
        sf.write(folder / "stems" / f"{name}{suffix}", wav, rate, "PCM_16")
    # Some sounds are never rendered.
    entries["S06"] = {**entries["S05"], "audio_rendered": False, "inst_class": "Sound Effects"}
    sf.write(folder / f"mix{suffix}", mixture, rate, "PCM_16")
    metadata = {"UUID": "1a81ae092884234f", "audio_dir": "stems", "normalized": True}
    text = yaml.safe_dump({**metadata, "overall_gain": 0.18, "stems": entries})
    (folder / "metadata.yaml").write_text(text)


def make_slakh(root, seconds=3.0, rate=RATE, suffix=".flac"):
    """Slakh2100-redux: a missing stem, a group that is not there, a silent and a short stem."""
    root = Path(root)
    options = {"seconds": seconds, "rate": rate, "suffix": suffix}
    write_slakh_track(root / "train" / "Track00001", seed=1, **options)
    write_slakh_track(
        root / "train" / "Track00002", seed=2, without=["S03"], silent=["S04"], **options
    )
    write_slakh_track(root / "validation" / "Track01501", seed=3, **options)
    write_slakh_track(root / "test" / "Track01876", seed=4, short=["S00"], **options)
    write_slakh_track(root / "test" / "Track01877", seed=5, without=["S04"], **options)
    write_slakh_track(root / "omitted" / "Track00003", seed=6, **options)
    return root


def contents(root):
    """Every file below a folder: its name to its bytes."""
    files = (path for path in sorted(Path(root).rglob("*")) if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}
