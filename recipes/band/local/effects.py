"""Random effect chains that make dry solos sound like records.

Needs numpy, scipy and pedalboard (GPL v3: a tool of this recipe, not a dependency of the package).

Example:
    >>> chain = random_chain("vocals", np.random.default_rng(0))
    >>> wet = chain(samples, 44100)  # float32 mono, same length
"""

import numpy as np
import pedalboard as pb
from scipy import signal

# Loudspeaker cabinets: (frequency in Hz, gain in dB).
CABINETS = {
    "closed_4x12": [
        (0, -60), (55, -14), (90, 0), (130, 4), (250, 0), (500, -3), (900, -2), (1800, 2),
        (2800, 6), (3800, 3), (4800, -4), (6000, -14), (8000, -26), (11000, -40), (22050, -60),
    ],
    "open_1x12": [
        (0, -60), (70, -14), (110, 0), (180, 2), (400, -1), (1000, 0), (2200, 5),
        (3300, 5), (4500, 1), (5500, -7), (7000, -18), (10000, -32), (22050, -60),
    ],
    "open_2x12": [
        (0, -60), (65, -12), (100, 1), (200, 3), (420, -2), (800, -1), (1500, 1), (2600, 5),
        (4000, 4), (5200, -2), (6500, -10), (9000, -24), (22050, -55),
    ],
    "small_1x8": [
        (0, -60), (100, -18), (160, -2), (300, 2), (700, 2), (1400, 3), (2500, 4),
        (3600, 0), (4700, -8), (6500, -20), (10000, -36), (22050, -60),
    ],
    "bass_8x10": [
        (0, -60), (35, -10), (55, 0), (90, 3), (200, 1), (450, -4), (800, -2), (1500, 1),
        (2500, 2), (3500, -3), (5000, -14), (8000, -30), (22050, -60),
    ],
    "bass_1x15": [
        (0, -60), (35, -6), (50, 1), (80, 4), (150, 2), (400, -2), (900, -1), (1600, -3),
        (2500, -9), (4000, -22), (8000, -40), (22050, -60),
    ],
}  # fmt: skip
GUITAR_CABINETS = ("closed_4x12", "open_1x12", "open_2x12", "small_1x8")
BASS_CABINETS = ("bass_8x10", "bass_1x15")


def rms(samples):
    """Returns the root mean square, never zero."""
    return float(np.sqrt(np.mean(np.square(samples)) + 1e-12))


def butter(samples, rate, freq, btype, order=2):
    """Filters with a Butterworth filter."""
    freq = np.minimum(freq, 0.45 * rate)
    sos = signal.butter(order, freq, btype, fs=rate, output="sos")
    return signal.sosfilt(sos, samples)


def cabinet(name, rng, rate, n_taps=1024):
    """Returns a loudspeaker's impulse response: minimum phase, random resonances.

    Args:
        name (str): Key of `CABINETS`.
        rng (numpy.random.Generator): Random generator.
        rate (int): Sample rate in Hz.
        n_taps (int): Length of the response in samples.
    """
    freq, gain = np.array(CABINETS[name], dtype=float).T
    freq = freq * rng.uniform(0.9, 1.1)
    grid = np.fft.rfftfreq(4 * n_taps, 1 / rate)
    level = np.interp(grid, freq, gain)
    for _ in range(rng.integers(6, 14)):
        centre, width = rng.uniform(np.log(90), np.log(6000)), rng.uniform(0.03, 0.25)
        shape = np.exp(-0.5 * ((np.log(grid + 1) - centre) / width) ** 2)
        level += rng.normal(0, 2.5) * shape
    # The real cepstrum, folded, gives the minimum-phase response of a magnitude.
    cepstrum = np.fft.irfft(np.log(10) * level / 20)
    half = len(cepstrum) // 2
    cepstrum[1:half] *= 2
    cepstrum[half + 1 :] = 0
    response = np.fft.irfft(np.exp(np.fft.rfft(cepstrum)))[:n_taps]
    response *= np.hanning(2 * n_taps)[n_taps:]
    return response / np.sqrt(np.sum(response**2))


def room(rng, rate, seconds, early=0.02):
    """Returns a room's impulse response: early reflections and a decay that darkens.

    Args:
        rng (numpy.random.Generator): Random generator.
        rate (int): Sample rate in Hz.
        seconds (float): Time to -60 dB.
        early (float): Spread of the early reflections in seconds.
    """
    time = np.arange(int(seconds * rate)) / rate
    response = np.zeros(len(time))
    for low, high, factor in ((60, 500, 1.0), (500, 3000, 0.8), (3000, 9000, 0.45)):
        noise = butter(rng.standard_normal(len(time)), rate, (low, high), "bandpass")
        response += noise * 10 ** (-3 * time / (seconds * factor))
    response *= np.minimum(time / early, 1) / np.sqrt(np.sum(response**2))
    for _ in range(rng.integers(4, 10)):
        at = int(rng.uniform(0.002, early * 1.5) * rate)
        if at < len(response):
            response[at] += rng.normal(0, 0.25)
    return response


def reverberate(samples, response, wet):
    """Adds `wet` (0 to 1) of the convolved signal."""
    tail = signal.fftconvolve(samples, response)[: len(samples)]
    return (1 - 0.5 * wet) * samples + wet * tail * rms(samples) / rms(tail)


def saturate(samples, gain, bias=0.0, hardness=1.0, oversample=2):
    """Waveshapes at a higher rate: tanh to hard clipping, asymmetrical with a bias.

    Args:
        samples (numpy.ndarray): Signal near unit level.
        gain (float): Linear gain before the shape.
        bias (float): Offset before the shape.
        hardness (float): 1 is tanh; larger bends later and sharper.
        oversample (int): Factor of the inner rate.
    """
    driven = signal.resample_poly(samples, oversample, 1) * gain + bias
    soft = driven / (1 + np.abs(driven) ** (2 * hardness)) ** (0.5 / hardness)
    shaped = np.tanh(driven) if hardness == 1.0 else soft
    shaped = signal.resample_poly(shaped, 1, oversample)[: len(samples)]
    return butter(shaped, 44100, 15, "highpass", 1) if bias else shaped


def amplify(samples, rate, rng, drive, cabinets=GUITAR_CABINETS):
    """Plays through a random amplifier: gain stages, tone stack, cabinet, power stage.

    Args:
        samples (numpy.ndarray): Direct signal.
        rate (int): Sample rate in Hz.
        rng (numpy.random.Generator): Random generator.
        drive (str): "clean", "crunch" or "high".
        cabinets (tuple of str): Names of the cabinets to choose from.
    """
    low, high = {"clean": (-10, 2), "crunch": (6, 20), "high": (26, 42)}[drive]
    is_bass = cabinets is BASS_CABINETS
    gain = 10 ** (rng.uniform(low, high) / 20)
    fine = 2 if rate > 32000 else 4
    wav = samples / (4 * rms(samples))
    # Pickups and tubes hiss.
    wav = wav + 10 ** (rng.uniform(-80, -55) / 20) * rng.standard_normal(len(wav))
    if drive == "high" and rng.random() < 0.7:
        gate = pb.NoiseGate(rng.uniform(-46, -36), 4, 0.5, rng.uniform(20, 80))
        wav = pb.Pedalboard([gate])(wav.astype(np.float32), rate)
    tight = {"clean": (40, 90), "crunch": (70, 160), "high": (80, 240)}[drive]
    wav = butter(wav, rate, 30 if is_bass else rng.uniform(*tight), "highpass", 1)
    if drive != "clean" and not is_bass and rng.random() < 0.7:
        centre = rng.uniform(600, 1400)
        wav = wav + rng.uniform(0.5, 2.5) * butter(
            wav, rate, (centre / 1.6, centre * 1.6), "bandpass", 1
        )
    first = min(gain, 10**0.6) if drive == "high" else gain
    wav = saturate(wav, first, rng.uniform(0, 0.4), rng.choice([1.0, 1.0, 2.0]), fine)
    if drive == "high":
        wav = butter(wav, rate, rng.uniform(5000, 9000), "lowpass", 1)
        wav = butter(wav, rate, rng.uniform(60, 200), "highpass", 1)
        hardness = rng.choice([1.0, 1.5, 3.0])
        wav = saturate(wav, gain / first, rng.uniform(-0.3, 0.3), hardness, fine)
    tone = [
        pb.LowShelfFilter(rng.uniform(90, 180), rng.uniform(-2, 7)),
        pb.PeakFilter(rng.uniform(350, 900), rng.uniform(-8, 4), rng.uniform(0.5, 1.0)),
        pb.HighShelfFilter(rng.uniform(1500, 3500), rng.uniform(-3, 5 if is_bass else 10)),
    ]
    wav = pb.Pedalboard(tone)(wav.astype(np.float32), rate)
    wav = signal.fftconvolve(wav, cabinet(rng.choice(cabinets), rng, rate))[: len(samples)]
    if rng.random() < 0.4:
        # A second microphone, or a second cabinet, a little later.
        other = signal.fftconvolve(wav, cabinet(rng.choice(cabinets), rng, rate))[: len(samples)]
        delay = int(rng.uniform(0, 0.0015) * rate)
        other = np.concatenate([np.zeros(delay), other])[: len(samples)]
        wav = wav / rms(wav) + rng.uniform(0.2, 0.7) * other / rms(other)
    wav = wav / (4 * rms(wav))
    return saturate(wav, rng.uniform(0.5, 1.3))


def equalize(rng, spread=4.0, low=(80, 250), high=(2500, 7000)):
    """Returns random shelves and two peaks as a list of pedalboard plugins."""
    return [
        pb.LowShelfFilter(rng.uniform(*low), rng.normal(0, spread)),
        pb.PeakFilter(np.exp(rng.uniform(5.3, 7.0)), rng.normal(0, spread), rng.uniform(0.4, 1.5)),
        pb.PeakFilter(np.exp(rng.uniform(6.5, 8.5)), rng.normal(0, spread), rng.uniform(0.4, 1.5)),
        pb.HighShelfFilter(rng.uniform(*high), rng.normal(0, spread)),
    ]


def compress(rng, above=(-6, 6), ratio=(2, 8), attack=(1, 40), release=(50, 300)):
    """Returns a compressor for a signal at -20 dB RMS; `above` is its threshold above that."""
    return pb.Compressor(
        -20 + rng.uniform(*above),
        np.exp(rng.uniform(*np.log(ratio))),
        np.exp(rng.uniform(*np.log(attack))),
        rng.uniform(*release),
    )


# Chances of each step per kind; the amplifier's drive is named where there is one.
CHANCES = {
    "vocals": dict(comp=0.9, comp2=0.4, eq=0.9, dirt=0.15, chorus=0.2,
        room=0.25, plate=0.55, delay=0.4),
    "bass": dict(comp=0.5, comp2=0.35, eq=0.8, dirt=0.2, chorus=0.05,
        room=0.1, plate=0.03, delay=0.0),
    "drums": dict(comp=0.6, comp2=0.35, eq=0.8, dirt=0.25, chorus=0.0,
        room=0.5, plate=0.2, delay=0.02),
    "piano": dict(comp=0.6, comp2=0.1, eq=0.8, dirt=0.12, chorus=0.12,
        room=0.4, plate=0.35, delay=0.08),
    "other": dict(comp=0.5, comp2=0.1, eq=0.8, dirt=0.15, chorus=0.2,
        room=0.35, plate=0.45, delay=0.15),
    "acoustic": dict(comp=0.8, comp2=0.2, eq=0.9, dirt=0.05, chorus=0.1,
        room=0.4, plate=0.25, delay=0.05),
    "guitar_clean": dict(amp="clean", comp=0.6, comp2=0.1, eq=0.6, chorus=0.25,
        room=0.3, plate=0.35, delay=0.35),
    "guitar_crunch": dict(amp="crunch", comp=0.4, comp2=0.1, eq=0.5, chorus=0.1,
        room=0.4, plate=0.15, delay=0.15),
    "guitar_high": dict(amp="high", comp=0.3, comp2=0.1, eq=0.5, chorus=0.05,
        room=0.4, plate=0.12, delay=0.15),
}  # fmt: skip
KINDS = tuple(CHANCES)


def random_chain(kind, rng, codec=0.3):
    """Draws an effect chain.

    Args:
        kind (str): One of `KINDS`.
        rng (numpy.random.Generator): Random generator.
        codec (float): Chance of an MP3 round trip.

    Returns:
        callable: Maps (mono samples, rate in Hz) to float32 samples of the same length, at
        -20 dB RMS.
    """
    if kind not in CHANCES:
        raise ValueError(f"kind must be one of {KINDS}, got {kind!r}")
    chances = CHANCES[kind]
    seed = int(rng.integers(2**31))

    def chain(samples, rate):
        rng = np.random.default_rng(seed)

        def drawn(step):
            return rng.random() < chances.get(step, 0.0)

        wav = np.asarray(samples, dtype=np.float64)
        wav = wav / (10 * rms(wav))
        driven = False
        if "amp" in chances:
            wav = amplify(wav, rate, rng, chances["amp"])
        elif kind == "bass" and rng.random() < 0.6:
            driven = rng.random() < 0.45
            drive = "crunch" if driven else "clean"
            amped = amplify(wav, rate, rng, drive, BASS_CABINETS)
            mix = rng.uniform(0.3, 1.0)
            wav = mix * amped / rms(amped) + (1 - mix) * wav / rms(wav)
        elif drawn("dirt"):
            wav = saturate(wav / (4 * rms(wav)), rng.uniform(0.4, 2.0), rng.uniform(0, 0.3))
        wav = wav / (10 * rms(wav))
        board = []
        if kind == "bass" and rng.random() < 0.95:
            # The tone knob and the mixer take most of the strings' rattle away.
            low, high, most = (1500, 8000, 2) if driven else (250, 3500, 4)
            cutoff = np.exp(rng.uniform(np.log(low), np.log(high)))
            board += [pb.LowpassFilter(cutoff) for _ in range(int(rng.integers(1, most)))]
            board.append(pb.LowShelfFilter(rng.uniform(55, 100), rng.uniform(2, 12)))
            board.append(pb.PeakFilter(rng.uniform(250, 900), rng.uniform(-8, 1), 0.7))
            board.append(compress(rng, above=(-12, -2), ratio=(3, 10), attack=(1, 20)))
        if drawn("eq"):
            board += equalize(rng)
        if drawn("comp"):
            board.append(compress(rng))
        if drawn("comp2"):
            board.append(compress(rng, above=(0, 8), ratio=(4, 20), attack=(0.3, 5)))
        if drawn("chorus"):
            board.append(
                pb.Chorus(rng.uniform(0.2, 2), rng.uniform(0.1, 0.4), mix=rng.uniform(0.2, 0.5))
            )
        if kind == "guitar_clean" and rng.random() < 0.12:
            board.append(pb.Phaser(np.exp(rng.uniform(-2, 2)), mix=rng.uniform(0.2, 0.5)))
        if drawn("delay"):
            board.append(
                pb.Delay(rng.uniform(0.07, 0.5), rng.uniform(0.1, 0.4), rng.uniform(0.08, 0.3))
            )
        if drawn("plate"):
            wet = rng.uniform(0.05, 0.3)
            board.append(pb.Reverb(rng.uniform(0.3, 0.85), rng.uniform(0.2, 0.8), wet, 1 - wet))
        wav = pb.Pedalboard(board)(wav.astype(np.float32), rate)
        if drawn("room"):
            wav = reverberate(wav, room(rng, rate, rng.uniform(0.15, 0.7)), rng.uniform(0.08, 0.5))
        if rng.random() < codec:
            mp3 = pb.MP3Compressor(rng.uniform(1, 7))
            wav = pb.Pedalboard([mp3])(np.asarray(wav, np.float32), rate)
        wav = wav[: len(samples)] / (10 * rms(wav))
        return np.asarray(wav, dtype=np.float32)

    return chain
