"""Makes the noises of singing: breaths, sibilants and stops."""

import numpy as np
from scipy import signal
from vocals_common import RATE, active_rms

# Consonants: band in Hz, length in seconds, level to the vowels in dB, closure before in seconds.
CONSONANTS = {
    "s": ((4200, 9500), (0.07, 0.16), (-16, -6), (0.0, 0.02)),
    "sh": ((2200, 6500), (0.06, 0.14), (-16, -7), (0.0, 0.02)),
    "f": ((1200, 9000), (0.05, 0.1), (-28, -18), (0.0, 0.02)),
    "h": ((700, 4500), (0.04, 0.1), (-26, -16), (0.0, 0.01)),
    "t": ((2500, 8500), (0.015, 0.05), (-18, -7), (0.03, 0.07)),
    "k": ((1200, 4500), (0.02, 0.06), (-20, -9), (0.03, 0.07)),
    "p": ((300, 2500), (0.01, 0.03), (-22, -12), (0.03, 0.08)),
}


def band_noise(n_samples, band, rng):
    """Returns noise of unit RMS in a band."""
    band = np.minimum(band, 0.46 * RATE)
    sos = signal.butter(2, band, "bandpass", fs=RATE, output="sos")
    wav = signal.sosfilt(sos, rng.standard_normal(n_samples + 200))[200:]
    return wav / (np.sqrt(np.mean(wav**2)) + 1e-9)


def breath(n_samples, rng, scale):
    """Returns an intake of breath through a vocal tract of the given scale, of unit RMS."""
    centres = np.array([rng.uniform(900, 1600), rng.uniform(2200, 3200), rng.uniform(4500, 7000)])
    centres = np.minimum(centres * scale, 7000)
    wav = sum(band_noise(n_samples, (c / 1.5, c * 1.4), rng) for c in centres)
    wav *= np.sin(np.linspace(0, np.pi, n_samples)) ** 1.5
    return wav / (active_rms(wav) + 1e-9)


def articulate(wav, onsets, chance, scale, rng):
    """Begins notes with consonants: a closure of the voice, then noise.

    Args:
        wav (numpy.ndarray): Singing of unit RMS.
        onsets (numpy.ndarray): First sample of each note.
        chance (float): Chance that a note begins so.
        scale (float): Scale of the vocal tract, for the noise's band.
        rng (numpy.random.Generator): Random generator.

    Returns:
        numpy.ndarray: The singing, of the same length.
    """
    gain, noise = np.ones(len(wav)), np.zeros(len(wav))
    for onset in onsets.astype(int):
        if rng.random() > chance:
            continue
        band, lengths, levels, closures = CONSONANTS[rng.choice(list(CONSONANTS))]
        n_noise = int(rng.uniform(*lengths) * RATE)
        n_closed = int(rng.uniform(*closures) * RATE)
        begin = max(0, onset - n_closed - n_noise // 2)
        burst = min(begin + n_closed, len(wav))
        end = min(burst + n_noise, len(wav))
        if end - burst < 64:
            continue
        shape = np.sin(np.linspace(0.15, 1, end - burst) * np.pi) ** 0.7
        level = 10 ** (rng.uniform(*levels) / 20)
        sound = band_noise(end - burst, np.array(band) * (0.7 + 0.3 * scale), rng)
        noise[burst:end] += level * sound * shape
        gain[begin:end] = 0.0
    smooth = signal.windows.hann(int(0.012 * RATE))
    gain = signal.fftconvolve(np.pad(gain, 200, mode="edge"), smooth / smooth.sum(), mode="same")
    return wav * np.clip(gain[200:-200], 0, 1) + noise
