"""Pictures of a separation, from arrays only."""

import numpy as np
import torch

FLOOR_DB = -80.0


def separation_figure(mixture, estimates, sample_rate, references=None, titles=None, seconds=None):
    """Spectrograms of a mixture, of what was separated and, if known, of the truth.

    Args:
        mixture (array-like): (time,).
        estimates (dict[str, array-like]): Name of each source to (time,).
        sample_rate (int): Hz.
        references (dict[str, array-like], optional): The true sources.
        titles (dict[str, str], optional): Replaces the names of estimates ("bass, 8.1 dB").
        seconds (float, optional): Show only the first seconds.

    Returns:
        matplotlib.figure.Figure: One column a source, the mixture in the first; the truth below.

    Examples:
        >>> wav = np.random.default_rng(0).standard_normal(22050)
        >>> figure = separation_figure(wav, {"bass": wav}, 22050)
        >>> figure.savefig("separation.png")  # doctest: +SKIP
    """
    from matplotlib.figure import Figure

    rows = 1 if references is None else 2
    names = list(estimates)
    figure = Figure(figsize=(3.0 * (len(names) + 1), 2.6 * rows + 0.4), layout="constrained")
    axes = figure.subplots(rows, len(names) + 1, squeeze=False, sharex=True, sharey=True)
    spectra = {"mixture": _spectrum(mixture, sample_rate, seconds)}
    peak = spectra["mixture"].max()
    panels = [("mixture", mixture, axes[0, 0])]
    for column, name in enumerate(names, 1):
        panels.append(((titles or {}).get(name, name), estimates[name], axes[0, column]))
        if references is not None:
            panels.append((f"{name}, true", references[name], axes[1, column]))
    image = None
    for title, wav, ax in panels:
        spectrum = _spectrum(wav, sample_rate, seconds)
        extent = (0, spectrum.shape[1] * _hop(sample_rate) / sample_rate, 0, sample_rate / 2000)
        image = ax.imshow(
            np.maximum(spectrum - peak, FLOOR_DB),
            origin="lower",
            aspect="auto",
            extent=extent,
            vmin=FLOOR_DB,
            vmax=0,
            cmap="magma",
        )
        ax.set_title(title, fontsize=10)
    for ax in axes[-1]:
        ax.set_xlabel("time (s)")
    axes[0, 0].set_ylabel("frequency (kHz)")
    if rows == 2:
        axes[0, 0].set_xlabel("time (s)")
        axes[1, 0].set_visible(False)
        axes[1, 1].set_ylabel("frequency (kHz)")
    figure.colorbar(image, ax=axes, label="dB below the mixture's peak", shrink=0.8)
    return figure


def _spectrum(wav, sample_rate, seconds):
    wav = np.asarray(wav, dtype=np.float64)
    if wav.ndim != 1:
        raise ValueError(f"wav must be (time,), got {wav.shape}")
    if seconds is not None:
        wav = wav[: int(seconds * sample_rate)]
    hop = _hop(sample_rate)
    spectrum = torch.stft(
        *(torch.from_numpy(wav), 4 * hop, hop),
        window=torch.hann_window(4 * hop, dtype=torch.float64),
        pad_mode="constant",
        return_complex=True,
    )
    return 20 * np.log10(spectrum.abs().numpy() + 1e-9)


def _hop(sample_rate):
    # About 12 ms a column, as a power of two.
    return 2 ** round(np.log2(0.012 * sample_rate))
