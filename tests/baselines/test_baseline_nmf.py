import numpy as np
import pytest
import torch
from torch.testing import assert_close

from asteroid_instglow.baselines.nmf import (
    KLNMF,
    divergence,
    explain,
    update_activations,
    update_atoms,
)


@pytest.fixture
def factors():
    rng = torch.Generator().manual_seed(0)
    return tuple(
        torch.rand(shape, generator=rng).double() for shape in [(20, 30), (20, 4), (4, 30)]
    )


def test_updates_are_those_of_scikit_learn(factors):
    from sklearn.decomposition import non_negative_factorization

    target, atoms, activations = factors
    # There the observations are rows: activations are updated first, as here.
    w, h, _ = non_negative_factorization(
        target.T.numpy(),
        activations.T.numpy().copy(),
        atoms.T.numpy().copy(),
        n_components=4,
        init="custom",
        solver="mu",
        beta_loss="kullback-leibler",
        max_iter=7,
        tol=0,
    )

    for _ in range(7):
        activations = update_activations(target, atoms, activations)
        atoms, activations = update_atoms(target, atoms, activations)

    assert_close(atoms @ activations, torch.from_numpy(h.T @ w.T), rtol=1e-5, atol=1e-7)


def test_every_update_lowers_the_divergence(factors):
    target, atoms, activations = factors
    losses = [divergence(target, atoms @ activations)]
    for _ in range(5):
        activations = update_activations(target, atoms, activations)
        losses.append(divergence(target, atoms @ activations))
        atoms, activations = update_atoms(target, atoms, activations)
        losses.append(divergence(target, atoms @ activations))

    assert all(after < before for before, after in zip(losses, losses[1:]))
    assert_close(atoms.sum(0), torch.ones(4).double())


def test_divergence_is_zero_only_at_the_target(factors):
    target = factors[0]

    assert abs(divergence(target, target)) < 1e-12
    assert divergence(target, 1.1 * target) > 1e-4
    assert divergence(0 * target, target) == pytest.approx(float(target.mean()))


def test_explains_a_sum_of_known_spectra():
    rng = torch.Generator().manual_seed(0)
    dictionaries = [torch.zeros(20, 2), torch.zeros(20, 2)]
    for k in range(4):
        dictionaries[k // 2][5 * k : 5 * k + 6, k % 2] = 1 / 6
    true = [d @ torch.rand(2, 30, generator=rng) for d in dictionaries]

    parts = explain(sum(true)[None], dictionaries, 300)

    assert_close(parts[:, 0], torch.stack(true), atol=2e-3, rtol=0)


def test_separates_what_its_dictionaries_know():
    """Two tones, each with a dictionary that holds its spectrum."""
    time = torch.arange(8000) / 8000
    tones = torch.stack([torch.sin(2 * np.pi * f * time) for f in (440.0, 1750.0)])
    model = KLNMF(["low", "high"], sample_rate=8000, n_fft=256, hop_length=64, n_atoms=1)
    for part, tone in zip(model.parts, tones):
        spectrum = torch.stft(tone, 256, window=torch.hann_window(256), return_complex=True).abs()
        part.atoms.data = spectrum.mean(1, keepdim=True)

    out = model.separate(tones.sum(0, keepdim=True))[0]

    error = (out - tones).square().mean() / tones.square().mean()
    assert 10 * torch.log10(error) < -25
