import numpy as np
import pytest
import soundfile
import torch
from conftest import tiny_prior

from asteroid_instglow import GenerativeSeparator, GlowPrior, SeparationOptions
from asteroid_instglow.audio.stft import even_frames
from asteroid_instglow.solver import frozen, plateau, solve_paper

MODES = {
    "mle_z": {},
    "map_z": {"prior_weight": 1.0},
    "map_x": {"prior_weight": 0.1, "space": "data"},
    "mle_z_mask": {"frame_mask": True},
    "mle_z_wiener": {"wiener": True},
}


def relative_db(estimate, expected):
    """Energy of the difference over that of the expected signal, dB, one a source."""
    error = (estimate - expected).square().sum(-1)
    return 10 * torch.log10(error / expected.square().sum(-1))


@pytest.fixture(scope="module")
def golden(reference):
    folder = reference / "separation_small"
    priors = {
        name: GlowPrior.from_published(
            next((folder / name).glob("*.pth")), folder / name / "config.json"
        )
        for name in ("harmonic", "percussive")
    }
    mixture, _ = soundfile.read(folder / "mixture.wav", dtype="float32")
    expected = np.load(folder / "expected.npz")
    return GenerativeSeparator(priors, solver="paper"), torch.from_numpy(mixture), expected


@pytest.fixture(scope="module")
def separated(golden):
    """Each published mode, run once, and once more from latents moved by 1e-6."""
    separator, mixture, expected = golden
    runs = {}
    for mode, options in MODES.items():
        n = expected[f"{mode}_wav"].shape[-1]
        options = {"n_iter": int(expected["iterations"]), "lr": float(expected["lr"]), **options}
        runs[mode] = [
            separator.separate(mixture, init_scale=scale, **options)[:, :n] for scale in (0.0, 1e-6)
        ]
    return runs


@pytest.mark.parametrize("mode", MODES)
def test_golden_separation(separated, golden, mode):
    """As near to the published waveforms as the published search is to itself.

    The search is chaotic: X / Y explodes where the sum of the sources crosses zero, and first
    latents that differ by 1e-6 (or float64 by 1e-12) end some -25 dB apart. So the goal of -30 dB
    (-20 dB with the Wiener step) is met where rounding allows it, and elsewhere the distance to
    the published result must lie within 6 dB of the distance between two runs of our own.
    """
    exact, moved = separated[mode]
    expected = torch.from_numpy(golden[2][f"{mode}_wav"])
    goal = -20.0 if mode == "mle_z_wiener" else -30.0
    floor = relative_db(moved, exact)
    distance = relative_db(exact, expected)
    assert (distance < torch.maximum(torch.tensor(goal), floor + 6)).all(), (distance, floor)
    assert (distance < -15).all()


# Distance to the published search, dB, over both sources. On other instruction sets rounding moves
# the first three by 5 dB, the last by 12.
EARLY = {"mle_z": -50, "mle_z_mask": -50, "map_z": -48, "map_x": -38}


@pytest.mark.parametrize("mode", EARLY)
@pytest.mark.parametrize("n_iter", [6, 8])
def test_first_steps_are_the_published_ones(golden, reference, mode, n_iter):
    """Compares magnitudes before chaos sets in.

    A mixture louder by one part in 1e7 already ends up to -41 dB apart, so the nearest of three
    runs counts: with PyTorch 2.4 the plain one lands at -42 dB in "map_z", the others below -60.
    """
    separator, mixture, _ = golden
    first = separator.priors[0]
    # The published code returns the state before its last step.
    chosen = SeparationOptions(n_iter=n_iter - 1, lr=0.01, **MODES[mode])
    early = np.load(reference / "separation_small" / "early.npz")[f"{mode}_{n_iter}"]
    distances = []
    for gain in (1.0, 1 + 1e-7, 1 - 1e-7):
        magnitude = even_frames(first.magnitude(gain * mixture[None]), first.n_sqz)
        found = solve_paper(magnitude, list(separator.priors), chosen)[:, 0]
        distances.append(relative_db(found.flatten(), torch.from_numpy(early).flatten()))
    assert min(distances) < EARLY[mode], distances


def options(**changes):
    return SeparationOptions(**{"n_iter": 30, "lr": 0.02, **changes})


@pytest.fixture
def mixture(priors):
    torch.manual_seed(0)
    some = [p.sample(12, n=2) for p in priors.values()]
    return sum(some)


def test_objective_falls(priors, mixture):
    losses = []
    solve_paper(mixture, list(priors.values()), options(), lambda i, v: losses.append(v))
    assert len(losses) == 30 and losses[-1] < 0.5 * losses[0]


def test_priors_are_left_as_they_were(priors, mixture):
    some = list(priors.values())
    some[0].train()
    some[1].flow.steps.transforms[2].requires_grad_(False)
    before = [
        {
            "training": [m.training for m in p.modules()],
            "grad": [q.requires_grad for q in p.parameters()],
        }
        for p in some
    ]
    states = [{k: v.clone() for k, v in p.state_dict().items()} for p in some]
    solve_paper(mixture, some, options(n_iter=3))
    for prior, was, state in zip(some, before, states, strict=True):
        assert [m.training for m in prior.modules()] == was["training"]
        assert [q.requires_grad for q in prior.parameters()] == was["grad"]
        assert all(q.grad is None for q in prior.parameters())
        assert all(torch.equal(v, state[k]) for k, v in prior.state_dict().items())


def test_priors_are_left_as_they_were_after_an_error(priors, mixture):
    some = list(priors.values())
    some[0].train()

    def stop(iteration, loss):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        solve_paper(mixture, some, options(), stop)
    assert some[0].training and all(q.requires_grad for p in some for q in p.parameters())


def test_callback_and_plateau_stop(priors, mixture):
    seen = []
    solve_paper(mixture, list(priors.values()), options(), lambda i, v: seen.append(i) or i == 4)
    assert seen == [1, 2, 3, 4]
    seen.clear()
    stop = options(n_iter=500, lr=1e-9, early_stop=1e-3)
    solve_paper(mixture, list(priors.values()), stop, lambda i, v: seen.append(i) and None)
    assert len(seen) < 30
    assert plateau([1.0] * 30, 1e-3) and not plateau([0.9**i for i in range(30)], 1e-3)


def test_diverging_search_gives_no_nan(priors, mixture):
    out = solve_paper(mixture, list(priors.values()), options(lr=1e4, n_iter=40))
    assert out.isfinite().all()


@pytest.mark.parametrize("space", ["latent", "data"])
def test_prior_weight_pulls_to_likely_latents(priors, mixture, space):
    some = list(priors.values())

    def likelihood(weight):
        out = solve_paper(mixture, some, options(prior_weight=weight, space=space, n_iter=80))
        return sum(-p(x.clamp_min(0)) for p, x in zip(some, out, strict=True))

    assert likelihood(30.0) > likelihood(0.0)


def test_frozen_computes_weight_norm_once():
    prior = tiny_prior()
    conv = prior.flow.steps.transforms[2].conditioner.start
    with frozen([prior]):
        assert conv.weight is conv.weight and not conv.weight.requires_grad
    assert conv.weight is not conv.weight
