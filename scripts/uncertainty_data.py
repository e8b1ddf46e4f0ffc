"""Draws and separates the mixtures that ``train_uncertainty.py`` learns from."""

import random
import zlib
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from tqdm import tqdm

from asteroid_instglow import GenerativeSeparator, load_audio
from asteroid_instglow.audio.stft import stft
from asteroid_instglow.data.folders import find_by_source
from asteroid_instglow.uncertainty.evidence import Evidence, pool, pooled_quantities


def collect(name, folder, args):
    """Separates what is in ``folder``; returns the folder of the cache with a file for each."""
    separator = GenerativeSeparator.from_pretrained(name)
    rate, seconds = separator.sample_rate, args.seconds
    digest = zlib.crc32(f"{seconds} {folder}".encode())
    for tensor in separator.state_dict().values():
        digest = zlib.crc32(tensor.numpy().tobytes(), digest)
    cache = args.cache / f"{Path(name).name}-{digest:08x}"
    cache.mkdir(parents=True, exist_ok=True)
    songs, solos = find_sounds(Path(folder), separator.sources)
    for kind, n in (("song", len(songs)), ("mixture", args.mixtures), ("alone", args.alone)):
        for i in tqdm(range(n), desc=f"{name}, {kind}"):
            path = cache / f"{kind}-{i:05d}.pt"
            if path.exists():
                continue
            rng = random.Random(zlib.crc32(f"{args.seed} {name} {folder} {kind} {i}".encode()))
            if kind == "song":
                stems = read_stems(songs[i], separator, seconds)
            else:
                n_src = 1 if kind == "alone" else rng.choice((2, 3, 4, 4, 4, 5))
                stems = draw_stems(rng, solos, rate, seconds, n_src, i % 3 == 2)
            strange = kind != "song" and i % 3 == 2
            torch.save({**observe(separator, stems), "strange": strange}, path)
    return cache


def find_sounds(folder, sources):
    """Returns the folders of songs, if there are any, and the solos of each source."""
    inside = [path for path in sorted(folder.iterdir()) if path.is_dir()]
    groups = [path for path in inside if any((path / name).is_dir() for name in sources)]
    is_pool = bool(groups) or any(path.name in sources for path in inside)
    roots = groups or [folder]
    there = {path.parent.name for root in roots for path in root.rglob("*.*")}
    there |= {path.stem for root in roots for path in root.rglob("*.*")}
    solos = find_by_source([name for name in sources if name in there], roots)
    return [] if is_pool else inside, {name: solos.get(name, []) for name in sources}


def read_stems(song, separator, seconds):
    """Reads the stems of a song, (n_src, time); what has no file is silent."""
    rate = separator.sample_rate
    stems = torch.zeros(len(separator.sources), round(rate * seconds))
    for stem, name in zip(stems, separator.sources):
        for path in song.glob(f"{name}.*"):
            wav = load_audio(path, rate)[0].mean(0)[: len(stem)]
            stem[: len(wav)] = wav
    return stems


def draw_stems(rng, solos, rate, seconds, n_src, strange):
    """Draws so many sources, if there are as many, some silent for a while: (n_src, time)."""
    n = round(rate * seconds)
    stems = torch.zeros(len(solos), n)
    known = [k for k, files in enumerate(solos.values()) if files]
    for k in rng.sample(known, min(len(known), n_src)):
        files = list(solos.values())[k]
        wav = load_audio(rng.choice(files).path, rate)[0].mean(0)
        wav = wav[rng.randrange(max(1, len(wav) - n)) :][:n]
        wav = make_strange(rng, wav, rate) if strange else wav
        wav = F.pad(wav, (0, n - len(wav)))
        loud = wav.square().mean().sqrt().clamp_min(1e-4)
        stems[k] = wav / loud * 0.06 * 10 ** (rng.uniform(-6, 6) / 20)
        if rng.random() < 0.25:
            start = rng.randrange(n)
            stems[k, start : start + rng.randrange(n)] = 0
    return stems * min(1, 0.9 / float(stems.sum(0).abs().max().clamp_min(1e-6)))


def make_strange(rng, wav, rate):
    """Plays a solo at another speed, with another equaliser, sometimes clipped."""
    at = np.arange(0, len(wav) - 1, rng.choice((0.72, 0.8, 0.88, 1.15, 1.26, 1.4)))
    wav = torch.from_numpy(np.interp(at, np.arange(len(wav)), wav.numpy()).astype(np.float32))
    bins = torch.linspace(0, rate / 2, len(wav) // 2 + 1).clamp_min(1)
    octaves = (bins / rng.uniform(200, 4000)).log2()
    gain = 10 ** (rng.uniform(-9, 9) / 20 * torch.exp(-octaves.square()))
    wav = torch.fft.irfft(torch.fft.rfft(wav) * gain, len(wav))
    if rng.random() < 0.4:
        wav = torch.tanh(wav / wav.abs().max().clamp_min(1e-4) * rng.uniform(1, 5))
    return wav


def observe(separator, stems):
    """Separates a mixture of stems: what it shows, and its errors."""
    shown = []

    class Watch(Evidence):
        def add(self, mixture, sources, *others):
            shown.append((pooled_quantities(mixture, sources, *others), sources))

    separator._gather = lambda n_seconds, options: Watch(len(stems), n_seconds, None)
    rate = int(separator.sample_rate)
    whole = stems.shape[1] / rate + 1
    out, _ = separator.separate(stems.sum(0)[None], confidence=True, chunk=whole)
    powers, sources = shown[0]
    n_fft = 2 * (sources.shape[1] - 1)
    hop = separator.priors[0].encoder.hop_length
    error = pool((stft(stems, n_fft, hop) - sources).abs().square(), n_fft, hop, rate)
    n = stems.shape[1] // rate
    signal, noise = (
        x[:, : n * rate].unflatten(1, (n, rate)).square().sum(-1) for x in (stems, stems - out[0])
    )
    return {"powers": powers, "error": error, "signal": signal, "noise": noise}
