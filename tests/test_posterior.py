"""The short search from the encoders' guesses, solver="posterior"."""

import pytest
import torch
from conftest import tiny_prior
from torch.testing import assert_close

from asteroid_instglow import GenerativeSeparator, SeparationOptions, objective, solver
from asteroid_instglow.data.solos import DITHER_STEP
from asteroid_instglow.masking import shares

ENCODER = {"n_fft": 64, "hop_length": 16, "width": 4}


def options(**changes):
    return SeparationOptions(**changes).resolved("posterior")


@pytest.fixture
def priors():
    return [tiny_prior(name, i) for i, name in enumerate(("bass", "drums"))]


@pytest.fixture
def guesses(priors):
    torch.manual_seed(0)
    magnitudes = torch.stack([p.sample(12, n=2) for p in priors]) + 1e-3
    return torch.polar(magnitudes, 3 * torch.randn_like(magnitudes))


def nll(priors, magnitudes):
    with torch.no_grad():
        return sum(objective.constrained_nll(p, x).sum() for p, x in zip(priors, magnitudes))


def test_sources_sum_to_the_mixture_and_become_likelier(priors, guesses):
    mixture, losses = guesses.sum(0), []
    found = solver.solve_posterior(
        guesses, mixture, priors, options(n_iter=40), lambda i, loss: losses.append(loss)
    )
    assert_close(found.sum(0), mixture, atol=1e-5, rtol=1e-5)
    assert len(losses) == 40 and losses[-1] < losses[0] - 0.1
    before, after = (shares(x.abs()) * mixture.abs() for x in (guesses, found))
    assert nll(priors, after) < nll(priors, before)


def test_a_step_goes_down_the_gradient_of_the_whole_loss(priors, guesses, monkeypatch):
    """The priors are run one after the other: against one backward pass through all of them."""
    mixture = guesses.sum(0)
    monkeypatch.setattr(solver, "DITHER_STEP", 0.0)
    logits = shares(guesses.abs()).clamp_min(solver.SHARE_FLOOR).log().requires_grad_()
    x = logits.softmax(0) * mixture.abs()
    loss = sum(objective.constrained_nll(p, xi).sum() for p, xi in zip(priors, x))
    (gradient,) = torch.autograd.grad(loss, logits)
    seen = []
    monkeypatch.setattr(torch.optim.Adam, "step", lambda s: seen.append(s.param_groups[0]))
    solver.solve_posterior(guesses, mixture, priors, options(n_iter=1))
    assert_close(seen[0]["params"][0].grad, gradient)


def test_no_steps_of_length_leave_the_guesses(priors, guesses):
    mixture = guesses.sum(0)
    found = solver.solve_posterior(guesses, mixture, priors, options(lr=1e-12, n_iter=2))
    assert_close(found, guesses, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("lr", [1e4, 1e6])
def test_a_diverging_search_gives_no_nan(priors, guesses, lr):
    mixture = guesses.sum(0)
    found = solver.solve_posterior(guesses, mixture, priors, options(lr=lr, n_iter=4))
    assert_close(found.sum(0), mixture, atol=1e-4, rtol=1e-4)


def test_silence_is_dithered_as_in_training(priors):
    prior, rng = priors[0], torch.Generator().manual_seed(0)
    mixture = torch.zeros(2, prior.n_freq, 100, dtype=torch.complex64)
    noise = solver._dither(2, mixture, prior, rng)
    assert noise.shape == (2, *mixture.shape)
    trained = prior.magnitude(DITHER_STEP * torch.rand(200, 1600, generator=rng))
    wanted, found = trained.mean((0, 2)), noise.abs().mean((0, 1, 3))
    assert_close(found, wanted, rtol=0.15, atol=0)


def test_a_residual_keeps_its_share(priors, guesses):
    torch.manual_seed(1)
    three = torch.cat([guesses, torch.polar(*torch.rand(2, 1, *guesses.shape[1:]))])
    found = solver.solve_posterior(three, three.sum(0), priors, options())
    assert_close(found.sum(0), three.sum(0), atol=1e-5, rtol=1e-5)
    moved = (found - three).abs().mean((1, 2, 3))
    assert moved[2] < 0.7 * moved[:2].mean()


def test_priors_are_left_as_they_were_and_a_callback_stops(priors, guesses):
    priors[0].train()
    seen = []
    solver.solve_posterior(
        guesses, guesses.sum(0), priors, options(), lambda i, loss: seen.append(i) or i == 3
    )
    assert seen == [1, 2, 3] and priors[0].training
    assert all(p.requires_grad and p.grad is None for m in priors for p in m.parameters())


def test_separator_searches_from_the_encoders_guess():
    separator = GenerativeSeparator(
        {n: tiny_prior(n, i, encoder=ENCODER) for i, n in enumerate(("bass", "drums"))}
    )
    wav, seen = torch.randn(1, 2, 4000), []
    guess = separator.separate(wav)
    assert not torch.allclose(separator.separate(wav, solver="posterior"), guess, atol=1e-3)
    for stereo in ("mid", "channels"):
        out = separator.separate(
            wav,
            solver="posterior",
            stereo=stereo,
            n_iter=2,
            progress=lambda i, loss: seen.append(i),
        )
        assert_close(out.sum(1), wav, atol=1e-5, rtol=0)
    assert seen == [1, 2] * 2
    with pytest.raises(ValueError, match="wiener must not be False"):
        separator.separate(wav, solver="posterior", wiener=False)
