"""Cuts the CC0 vocal stems into pieces, and makes further singers of them by varispeed and WORLD.

Four kinds of pieces: the stems themselves and the sum of all stems of a song (`GROUP`); stems that
are more effect than voice (`GROUP_fx`); other singers (`GROUP_shifted`): the stems played slower or
faster as a tape, or with WORLD at another pitch and vocal tract length. Phrases that repeat a loop
are left out. The stems are .ogg files, named SONG_....ogg, in time with each other.

Example:
    python vocals_cc0.py --stems solos/cc0/vocals --out pool --group vocals_cc0 --minutes 15
"""

import argparse
from collections import defaultdict
from fractions import Fraction
from pathlib import Path

import numpy as np
from scipy import signal
from vocals_common import RATE, find_phrases, finish, join, load, write
from vocals_world import analyse, render, warp_formants

LICENCES = """# {group}

Source: vocal stems of "Everything is free / remixed" by ichbinsoftware (electronic pop; songs
{songs}), CC0 1.0. Recorded singing
with the artist's effects. {what}
"""

# Seconds of a stem that are no voice.
NOT_SUNG = {"5.Rubidium_Stem_VOX_LEAD": ((78, 128), (226, 259))}
# Stems that are more effect than voice (echoes played backwards, swells, stutters).
EFFECTS = (
    "ECHO",
    "REVERSE",
    "GLITCH",
    "BUILD",
    "SCATTER",
    "ICK_ICK",
    "2.Lithium_Stem_BGVOX_1",
    "2.Lithium_Stem_BGVOX_2",
    "5.Rubidium_Stem_BGVOX",
)


def is_repeat(part, kept, threshold=0.7):
    """Returns True if a phrase is a shifted copy of one of `kept` (normalised correlation)."""
    small = signal.decimate(part, 4)
    small = small / (np.linalg.norm(small) + 1e-9)
    for other in kept:
        if len(other) < 0.5 * len(small) or len(small) < 0.3 * len(other):
            continue
        peak = np.abs(signal.fftconvolve(small, other[::-1])).max()
        if peak > threshold * min(1.0, np.linalg.norm(other)):
            return True
    kept.append(small)
    return False


def distinct_phrases(wav, kept, longest=12.0):
    """Returns the phrases of a stem that repeat none of `kept`; adds them to `kept`."""
    parts = []
    for start, end in find_phrases(wav):
        n_cuts = int(np.ceil((end - start) / (longest * RATE)))
        for piece in np.array_split(wav[start:end], n_cuts):
            if not is_repeat(piece, kept):
                parts.append(piece / (np.sqrt(np.mean(piece**2)) + 1e-9))
    return parts


def varispeed(wav, semitones):
    """Plays slower and lower (below 0) or faster and higher (above 0), as a tape does."""
    ratio = Fraction(2 ** (-semitones / 12)).limit_denominator(200)
    return signal.resample_poly(wav, ratio.numerator, ratio.denominator)


def revoice(part, rng):
    """Gives a phrase another pitch and vocal tract length with WORLD."""
    f0, envelope, aperiodicity = analyse(part)
    voiced = f0[f0 > 0]
    if len(voiced) < 0.35 * len(f0):
        return None
    semitones = rng.uniform(-6, 8)
    if np.median(voiced) * 2 ** (semitones / 12) < 110:
        semitones = rng.uniform(1, 7)
    # Upwards the vocal tract stays nearly as it is: a tenor's high notes, not a child's.
    scale = 2 ** (semitones / 12 * rng.uniform(0.0, 0.5))
    envelope = warp_formants(envelope, scale)
    return render(f0 * 2 ** (semitones / 12), envelope, aperiodicity)


def other_singer(parts, rng):
    """Returns the phrases sung by another singer: one change for all of them."""
    if rng.random() < 0.55:
        semitones = rng.choice([-1, 1, 1]) * rng.uniform(1, 4)
        return [varispeed(part, semitones) for part in parts]
    seed = int(rng.integers(2**31))
    revoiced = [revoice(part, np.random.default_rng(seed)) for part in parts]
    return [part for part in revoiced if part is not None]


def write_stems(songs, folder, rng, sums=True):
    """Writes the distinct phrases of each stem as pieces.

    Args:
        songs (dict): Song to its stems: name to samples.
        folder (pathlib.Path): Group to write to.
        rng (numpy.random.Generator): Random generator.
        sums (bool): True to write the sum of each song's stems too.

    Returns:
        list of tuple: Stem and samples of each distinct phrase.
    """
    phrases = []
    for song, tracks in songs.items():
        kept = []
        for name, wav in sorted(tracks.items(), key=lambda item: "LEAD" not in item[0]):
            parts = distinct_phrases(wav, kept)
            phrases += [(name, part) for part in parts]
            for i, piece in enumerate(join(parts, rng)):
                write(folder / "vocals" / f"{name}_{i:02d}.ogg", piece)
        if sums and len(tracks) > 1:
            n_samples = max(map(len, tracks.values()))
            total = sum(np.pad(wav, (0, n_samples - len(wav))) for wav in tracks.values())
            for i, piece in enumerate(join(distinct_phrases(total, []), rng)):
                write(folder / "vocals" / f"{song}_all_{i:02d}.ogg", piece)
    return phrases


def write_singers(phrases, folder, minutes, rng):
    """Writes `minutes` of phrases sung by other singers."""
    length, n_piece = 0.0, 0
    while length < minutes * 60:
        pool = [part for _, part in phrases]
        if rng.random() < 0.7:  # one stem only
            name = phrases[rng.integers(len(phrases))][0]
            pool = [part for stem, part in phrases if stem == name]
        order = rng.permutation(len(pool))
        ends = np.cumsum([len(pool[i]) for i in order])
        parts = [pool[i] for i in order[: 1 + np.searchsorted(ends, 50 * RATE)]]
        for piece in join(other_singer(parts, rng), rng, (20, 30))[:2]:
            piece = finish(piece, rng)
            write(folder / "vocals" / f"singer_{n_piece:03d}.ogg", piece)
            length, n_piece = length + len(piece) / RATE, n_piece + 1


def main(stems, out, group, minutes, seed=0):
    """Writes the three groups.

    Args:
        stems (pathlib.Path): Folder of the stems.
        out (pathlib.Path): Pool to write to.
        group (str): Name of the group.
        minutes (float): Length of the group of other singers.
        seed (int): Random seed.
    """
    rng = np.random.default_rng(seed)
    songs, effects = defaultdict(dict), defaultdict(dict)
    for path in sorted(stems.glob("*.ogg")):
        wav = load(path)
        for start, end in NOT_SUNG.get(path.stem, ()):
            wav[start * RATE : end * RATE] = 0
        chosen = effects if any(word in path.stem for word in EFFECTS) else songs
        chosen[path.stem.split("_")[0]][path.stem] = wav
    phrases = write_stems(songs, out / group, rng)
    write_stems(effects, out / f"{group}_fx", rng, sums=False)
    write_singers(phrases, out / f"{group}_shifted", minutes, rng)
    what = {
        group: "Cut, not changed; `*_all_*` sums a song's stems.",
        f"{group}_fx": "Cut, not changed.",
        f"{group}_shifted": "Pitch and vocal tract changed by varispeed or WORLD; random effects.",
    }
    for name, text in what.items():
        licence = LICENCES.format(group=name, songs=", ".join(songs), what=text)
        (out / name).mkdir(parents=True, exist_ok=True)
        (out / name / "LICENCES.md").write_text(licence)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stems", type=Path, required=True, help="folder of the CC0 vocal stems")
    parser.add_argument("--out", type=Path, required=True, help="pool to write to")
    parser.add_argument("--group", default="vocals_cc0", help="name of the group")
    parser.add_argument("--minutes", type=float, default=15, help="length of the other singers")
    parser.add_argument("--seed", type=int, default=0, help="random seed")
    main(**vars(parser.parse_args()))
