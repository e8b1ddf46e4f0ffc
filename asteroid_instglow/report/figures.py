"""Draws spectrograms of a separation with matplotlib."""

import math
from collections.abc import Mapping

import librosa
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from .clips import FLOOR_DB, MAX_FREQUENCY


def separation_figure(
    mixture: ArrayLike,
    estimates: Mapping[str, ArrayLike],
    sample_rate: int,
    references: Mapping[str, ArrayLike] | None = None,
    titles: Mapping[str, str] | None = None,
) -> Figure:
    """Draws mel spectrograms of a mixture, its estimates and, if given, the true sources.

    Args:
        mixture (array-like): (time,).
        estimates (dict[str, array-like]): Signal of each source, (time,).
        sample_rate (int): Sample rate, Hz.
        references (dict[str, array-like], optional): True sources, drawn below the estimates.
        titles (dict[str, str], optional): Titles of the estimates, by source ("bass, 8.1 dB");
            the source's name by default.

    Returns:
        matplotlib.figure.Figure: One column per source, with the mixture in the first column.

    Examples:
        >>> wav = np.random.default_rng(0).standard_normal(22050)
        >>> figure = separation_figure(wav, {"bass": wav}, 22050)
        >>> [axes.get_title() for axes in figure.axes[:2]]
        ['mixture', 'bass']
    """
    rows = 1 if references is None else 2
    figure = Figure(figsize=(3.0 * (len(estimates) + 1), 2.6 * rows + 0.4), layout="constrained")
    axes = figure.subplots(rows, len(estimates) + 1, squeeze=False, sharex=True, sharey=True)
    panels = [("mixture", mixture, axes[0, 0])]
    for column, (name, estimate) in enumerate(estimates.items(), 1):
        panels.append(((titles or {}).get(name, name), estimate, axes[0, column]))
        if references is not None:
            panels.append((f"{name}, true", references[name], axes[1, column]))
    spectrograms = [_mel_power(wav, sample_rate) for _, wav, _ in panels]
    peak = spectrograms[0].max()
    for (title, _, ax), power in zip(panels, spectrograms):
        image = librosa.display.specshow(
            librosa.power_to_db(power, ref=peak, amin=1e-12, top_db=None),
            sr=sample_rate,
            hop_length=_hop_length(sample_rate),
            x_axis="time",
            y_axis="mel",
            fmax=min(MAX_FREQUENCY, sample_rate / 2),
            ax=ax,
            vmin=FLOOR_DB,
            vmax=0,
            cmap="magma",
        )
        ax.set_title(title, fontsize=10)
        ax.label_outer()
    if rows == 2:
        axes[1, 0].set_visible(False)
        axes[1, 1].set_ylabel("Hz")
        axes[1, 1].yaxis.set_tick_params(labelleft=True)
    figure.colorbar(image, ax=axes, label="dB below the mixture's peak", shrink=0.8)
    return figure


def _mel_power(wav: ArrayLike, sample_rate: int) -> NDArray[np.floating]:
    wav = np.asarray(wav, dtype=np.float32)
    if wav.ndim != 1:
        raise ValueError(f"wav must be (time,), got {wav.shape}")
    hop_length = _hop_length(sample_rate)
    return librosa.feature.melspectrogram(
        y=wav,
        sr=sample_rate,
        n_fft=8 * hop_length,
        hop_length=hop_length,
        n_mels=96,
        fmax=min(MAX_FREQUENCY, sample_rate / 2),
    )


def _hop_length(sample_rate: int) -> int:
    """Returns about 12 ms in samples, as a power of two."""
    return 2 ** round(math.log2(0.012 * sample_rate))
