"""Sings POP909 melodies with a bank of recorded syllables, by WORLD.

A bank is a folder of short recordings of one voice or several: sung at one pitch or spoken. Each is
cut into syllables; each note of a melody stretches the vowel of the next one. Singers of other
ranges have other vocal tract lengths. Doubles, harmonies, breath and effects follow.

Example:
    python vocals_sing.py --bank solos/yuki --midi POP909 --out pool --group vocals_yuki \
        --minutes 55 --source "The yuki voice bank, public-domain dedication."
"""

import argparse
from pathlib import Path

import numpy as np
from scipy import ndimage, signal
from vocals_common import RATE, active_rms, find_phrases, finish, load, write
from vocals_melody import (
    SINGERS,
    draw_style,
    in_thirds,
    loudness_curve,
    note_bounds,
    pitch_curve,
    read_melody,
    scale_of,
    sung_phrases,
)  # fmt: skip
from vocals_noise import articulate, breath
from vocals_world import (
    FRAMES_PER_SECOND,
    analyse,
    render,
    syllables,
    tilt,
    warp_formants,
)  # fmt: skip

HOP = RATE / FRAMES_PER_SECOND


class Bank:
    """Recordings of syllables, analysed when first used.

    Args:
        folder (pathlib.Path): Folder of .ogg, .wav or .flac files.
        own_scale (bool): True if the voices keep their vocal tracts (spoken by men and women).
        pattern (str): Which files.
    """

    def __init__(self, folder, own_scale=False, pattern="*"):
        suffixes = {".ogg", ".wav", ".flac"}
        self.paths = sorted(p for p in folder.glob(pattern) if p.suffix in suffixes)
        if not self.paths:
            raise ValueError(f"bank must be a folder of recordings, there are none in {folder}")
        self.own_scale = own_scale
        self.cache = {}

    def phrase(self, rng):
        """Returns a random recording: pitch, log envelope, aperiodicity and its syllables."""
        while self.paths:
            path = self.paths[rng.integers(len(self.paths))]
            if path not in self.cache:
                self.cache[path] = self.analysed(path)
            if len(self.cache[path][-1]) >= 3:
                return self.cache[path]
            self.paths.remove(path)
        raise ValueError("bank must hold recordings of at least three syllables")

    def analysed(self, path):
        """Returns what `phrase` does of one recording; no syllables if it is silent."""
        wav = load(path)
        parts = [wav[a:b] for a, b in find_phrases(wav)]
        if not parts:
            return (None, None, None, [])
        wav = np.concatenate(parts)
        f0, envelope, aperiodicity = analyse(wav / active_rms(wav))
        log = np.log(envelope + 1e-12)
        # Recordings of voice banks are cleaned: fill the holes above the singer's formants.
        above = slice(int(3500 / RATE * 2 * log.shape[1]), None)
        smooth = ndimage.uniform_filter1d(log, 120, axis=1)
        log[:, above] = np.maximum(log[:, above], smooth[:, above] - 0.7)
        return f0, log.astype(np.float16), aperiodicity.astype(np.float16), syllables(f0, envelope)


def time_map(found, notes, n_frames, rng):
    """Returns the frame of the recording that each frame of a sung phrase takes.

    Consonants keep their lengths (at most half the note); vowels are stretched. A note now and
    then holds the vowel of the one before.
    """
    bounds = note_bounds(notes, n_frames)
    source = np.empty(n_frames)
    at = rng.integers(len(found))
    held = None
    for i, (a, b) in enumerate(zip(bounds, bounds[1:])):
        n = b - a
        if held is not None and rng.random() < 0.12:  # a melisma: the vowel goes on
            source[a:b] = held + 6 * np.sin(np.arange(n) / 23.0)
            continue
        start, vowel, end = found[(at + i) % len(found)]
        consonant = min(vowel - start, n // 2)
        source[a : a + consonant] = np.linspace(vowel - consonant, vowel, consonant)
        tail = min((end - vowel) // 3, n // 4)
        hold = n - consonant - tail
        body = np.linspace(vowel, end - tail, max(hold, 1)) + rng.normal(0, 0.2)
        source[a + consonant : b - tail] = body[:hold]
        source[b - tail : b] = np.linspace(end - tail, end - 1, tail)
        held = (vowel + end - tail) / 2
    return source


def at_frames(values, source):
    """Interpolates rows linearly at fractional frames."""
    source = np.clip(source, 0, len(values) - 1.001)
    low = source.astype(int)
    part = (source - low).reshape(-1, *[1] * (values.ndim - 1))
    return values[low] * (1 - part) + values[low + 1] * part


def sing(bank, notes, voice, rng):
    """Sings one phrase.

    Args:
        bank (Bank): Recordings.
        notes (numpy.ndarray): Rows of (start, end, pitch), in seconds from the phrase's start.
        voice (dict): "scale", "style", "slope", "air", "rasp" and "clear".
        rng (numpy.random.Generator): Random generator.

    Returns:
        numpy.ndarray: Samples, about unit RMS.
    """
    n_frames = int(notes[-1, 1] * FRAMES_PER_SECOND) + 8
    f0, envelope, aperiodicity, found = bank.phrase(rng)
    source = time_map(found, notes, n_frames, rng)
    voiced = at_frames((f0 > 0).astype(float), source) > 0.5
    pitch = pitch_curve(notes, n_frames, voice["style"], rng)
    if voice["rasp"]:
        pitch += voice["rasp"] * 0.5 * rng.standard_normal(n_frames)
    log = at_frames(envelope.astype(np.float32), source)
    # The recording's own level is kept, levelled or exaggerated; the singer's dynamics are added.
    energy = ndimage.gaussian_filter1d(np.log(np.exp(log).sum(axis=1) + 1e-9), 30)
    loud = loudness_curve(notes, pitch, voice["style"], rng)
    log += (rng.uniform(-0.2, 0.3) * (np.median(energy) - energy) + 0.23 * loud)[:, None]
    sung = warp_formants(np.exp(log), voice["scale"])
    sung = tilt(sung, voice["slope"] + 0.15 * loud)
    noise = warp_formants(at_frames(aperiodicity.astype(np.float32), source) + 1e-3, voice["scale"])
    noise = np.clip(noise, 0, 1) ** (1.0 - voice["air"])
    hertz = 440 * 2 ** ((pitch - 69) / 12)
    wav = render(np.where(voiced, hertz, 0.0), sung, noise)
    if voice["rasp"]:
        rough = signal.sosfilt(
            signal.butter(2, [25, 110], "bandpass", fs=RATE, output="sos"),
            rng.standard_normal(len(wav)),
        )
        wav = wav * (1 + 6 * voice["rasp"] * rough / rough.std())
    wav /= active_rms(wav) + 1e-9
    if not voice["clear"]:
        return wav
    return articulate(
        wav, note_bounds(notes, n_frames)[:-1] * HOP, voice["clear"], voice["scale"], rng
    )


def draw_singer(rng, own_scale):
    """Draws a range, a vocal tract and a way of singing."""
    names = list(SINGERS)
    name = rng.choice(names, p=[SINGERS[n][2] for n in names])
    pitches, scales, _ = SINGERS[name]
    shouts = rng.random() < 0.25
    return {
        "name": name,
        "median": rng.uniform(*pitches),
        "scale": rng.uniform(0.93, 1.07) if own_scale else rng.uniform(*scales),
        "style": draw_style(rng),
        "slope": rng.uniform(-1.0, 2.5) + 1.5 * shouts,
        "air": rng.uniform(0, 0.35),
        "clear": rng.uniform(0.2, 0.7),
        "rasp": rng.uniform(0.03, 0.12) if shouts else 0.0,
    }


def piece(bank, notes, rng, seconds):
    """Sings a piece of a song: lead, and perhaps doubles and harmonies.

    Args:
        bank (Bank): Recordings.
        notes (numpy.ndarray): The song's melody.
        rng (numpy.random.Generator): Random generator.
        seconds (float): Longest piece.
    """
    singer = draw_singer(rng, bank.own_scale)
    scale = scale_of(notes)
    shift = np.round(69 + 12 * np.log2(singer["median"] / 440) - np.median(notes[:, 2]))
    faster = rng.uniform(0.8, 1.15)
    parts = [("lead", 0, 1.0)]
    kind = rng.random()
    if kind < 0.3:
        parts.append(("double", 0, rng.uniform(0.4, 0.9)))
    elif kind < 0.55:
        parts.append(("harmony", rng.choice([2, 2, -2, -3, 4]), rng.uniform(0.3, 0.9)))
    elif kind < 0.65:
        parts += [("harmony", 2, 0.7), ("harmony", rng.choice([4, -3]), 0.6), ("double", 0, 0.8)]
    wav = np.zeros(int((seconds + 12) * RATE))
    phrases = sung_phrases(notes)
    first, clock, end = rng.integers(max(1, len(phrases) - 5)), 0.1, 0.1
    for phrase in phrases[first:]:
        phrase = phrase * [faster, faster, 1] + [0, 0, shift]
        rel = phrase - [phrase[0, 0], phrase[0, 0], 0]
        if clock + rel[-1, 1] > seconds:
            break
        level = 10 ** (rng.normal(0, 2.5) / 20)
        for role, degrees, gain in parts:
            sung = rel.copy()
            if degrees:
                sung[:, 2] = in_thirds(sung[:, 2] - shift, scale, degrees) + shift
            late = 0.0 if role == "lead" else rng.uniform(0.0, 0.04)
            voice = dict(singer)
            if role != "lead":
                voice["clear"] *= rng.choice([0.0, 0.6])
                voice.update(scale=singer["scale"] * rng.uniform(0.96, 1.04), style=draw_style(rng))
            take = sing(bank, sung, voice, rng)
            at = int((clock + late) * RATE)
            take = take[: len(wav) - at]
            wav[at : at + len(take)] += level * gain * take
        end = clock + rel[-1, 1]
        rest = rng.uniform(0.15, 0.9)
        if rng.random() < 0.6:
            air = breath(int(rng.uniform(0.12, 0.35) * RATE), rng, singer["scale"])
            at = int((end + rest) * RATE) - len(air)
            wav[at : at + len(air)] += air * rng.uniform(0.02, 0.1)
        clock = end + rest
    return wav[: int((end + 0.3) * RATE)], singer


LICENCES = """# {group}

Source of the recorded syllables: {source}

Rendered: WORLD sings them on melodies of POP909 (MIT); random effects follow. File names tell the
range of the singer.
"""


def main(bank, midi, out, group, source, minutes, own_scale=False, pattern="*", seed=0):
    """Writes a group of sung pieces.

    Args:
        bank (pathlib.Path): Folder of recorded syllables.
        midi (pathlib.Path): Folder of POP909's songs (NNN/NNN.mid).
        out (pathlib.Path): Pool to write to.
        group (str): Name of the group.
        source (str): The bank's origin, author and licence, for LICENCES.md.
        minutes (float): Length of the group.
        own_scale (bool): True if the bank's voices keep their vocal tracts.
        pattern (str): Which files of the bank.
        seed (int): Random seed.
    """
    rng = np.random.default_rng(seed)
    voices = Bank(bank, own_scale, pattern)
    songs = sorted(midi.glob("[0-9]*/[0-9]*.mid"))
    length = 0.0
    (out / group).mkdir(parents=True, exist_ok=True)
    (out / group / "LICENCES.md").write_text(LICENCES.format(group=group, source=source))
    for song in rng.permutation(songs):
        notes = read_melody(song)
        if len(notes) < 40:
            continue
        wav, singer = piece(voices, notes, rng, rng.uniform(20, 30))
        if len(wav) < 6 * RATE:
            continue
        wav = finish(wav, rng, dry=0.25)
        write(out / group / "vocals" / f"{singer['name']}_{song.stem}.ogg", wav)
        length += len(wav) / RATE
        if length > minutes * 60:
            break


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bank", type=Path, required=True, help="folder of recorded syllables")
    parser.add_argument("--midi", type=Path, required=True, help="folder of POP909's songs")
    parser.add_argument("--out", type=Path, required=True, help="pool to write to")
    parser.add_argument("--group", required=True, help="name of the group")
    parser.add_argument("--source", required=True, help="the bank's origin, author and licence")
    parser.add_argument("--minutes", type=float, default=55, help="length of the group")
    parser.add_argument("--own_scale", action="store_true", help="keep the bank's vocal tracts")
    parser.add_argument("--pattern", default="*", help="which files of the bank")
    parser.add_argument("--seed", type=int, default=0, help="random seed")
    main(**vars(parser.parse_args()))
