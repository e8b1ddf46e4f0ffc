"""Adds an instrument to existing priors, end to end: strings from a sound font.

    add_strings.py --data minislakh --work DIR [--init minislakh] [--minutes 10] [--results FILE]

String solos are composed by rule and rendered with fluidsynth. One prior is trained on them alone,
as by ``instglow train strings --minutes 10``, against the bundled solos. Strings of other seeds are
added to the validation songs, at the average level of the other sources. Scores: the existing
priors on the songs without strings ("without") and with strings ("before"), and all priors on the
songs with strings ("after").
"""

import time

import numpy as np
import torch
from other_sources import parse, write
from quality import score, summary

from asteroid_instglow import GenerativeSeparator, GlowPrior, load_audio, save_audio
from asteroid_instglow.data import Note, list_sources
from asteroid_instglow.data.band.compose import SCALES, make_plan
from asteroid_instglow.data.band.soundfont import find_soundfont, render_soundfont
from asteroid_instglow.data.band.synth import active_rms
from asteroid_instglow.training import train_instrument

NEW = "strings"
PROGRAMS = (48, 49, 50, 51)  # General MIDI: two ensembles, two synthesisers
N_SOLOS, SECONDS, RATE, LEVEL_DB = 40, 16.0, 22050, -22.0
HELD_OUT_SEED = 1000


def main(argv=None):
    args = parse(__doc__, argv)
    known = list_sources(args.data / "train")
    solos, songs = args.work / "solos", args.work / "songs"
    for seed in range(N_SOLOS):
        write_strings(solos / NEW / f"{seed:02d}.flac", seed, 10 ** (LEVEL_DB / 20))
    make_songs(args.data / "validation", songs, known)
    model = GenerativeSeparator.from_pretrained(args.init).subset(known)
    found = {"soundfont": find_soundfont().name}
    found["without"] = score(model, songs, args.work / "without", args)
    found["before"] = score(model, songs, args.work / "before", args, unknown=[NEW])
    prior = args.work / "priors" / NEW
    started, cpu = time.monotonic(), time.process_time()
    train_instrument(NEW, solos, prior, args.minutes, args.init, tell=print)
    found["training_seconds"] = round(time.monotonic() - started, 1)
    found["training_cpu_seconds"] = round(time.process_time() - cpu, 1)
    model.add_prior(NEW, GlowPrior.from_pretrained(prior))
    found["after"] = score(model, songs, args.work / "after", args)
    for part in ("without", "before", "after"):
        print(f"{part}: {summary(found[part])}")
    write(args, "add_strings.py", f"--minutes {args.minutes:g}", found)


def make_songs(songs, folder, known):
    """Writes the stems of every song, and strings."""
    for number, track in enumerate(sorted(songs.iterdir())):
        target = folder / track.name
        target.mkdir(parents=True)
        levels = []
        for source in known:
            path = next(track.glob(f"{source}.*"))
            (target / path.name).symlink_to(path.resolve())
            wav, rate = load_audio(path)
            levels.append(active_rms(wav.mean(0).numpy(), rate))
        write_strings(target / f"{NEW}.flac", HELD_OUT_SEED + number, np.mean(levels))


def write_strings(path, seed, level):
    """Renders one solo at a given RMS."""
    program = PROGRAMS[seed % len(PROGRAMS)]
    wav = render_soundfont(compose_strings(seed, SECONDS), NEW, SECONDS, RATE, program)
    wav = wav * np.float32(level / active_rms(wav, RATE))
    path.parent.mkdir(parents=True, exist_ok=True)
    save_audio(path, torch.from_numpy(wav)[None], RATE)


def compose_strings(seed, seconds):
    """Composes held chords over one or two octaves, with a melody in half of the songs.

    Returns:
        list[Note]: Notes, sorted by start.
    """
    plan = make_plan(seed, seconds)
    rng = np.random.default_rng([seed, 5])
    bar, low = 240 / plan.tempo, int(rng.integers(45, 60))
    loudness, sings = int(rng.integers(60, 100)), rng.random() < 0.5
    notes = []
    for number, chord in enumerate(plan.chords):
        start = number * bar
        voices = [low + (pitch_class - low) % 12 for pitch_class in chord]
        voices.append(voices[0] - 12 if rng.random() < 0.5 else voices[0] + 12)
        notes += [Note(start, 0.98 * bar, pitch, loudness) for pitch in voices]
        if sings:
            scale = [p for p in range(67, 86) if (p - plan.tonic) % 12 in SCALES[plan.mode]]
            beats = sorted({0, *rng.choice(np.arange(1, 4), int(rng.integers(0, 3)), False)})
            for beat, after in zip(beats, [*beats[1:], 4]):
                length = (after - beat) * bar / 4
                pitch = int(rng.choice(scale))
                notes.append(Note(start + beat * bar / 4, 0.95 * length, pitch, loudness + 10))
    return sorted(notes)


if __name__ == "__main__":
    main()
