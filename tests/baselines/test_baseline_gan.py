import pytest
import torch
from torch.testing import assert_close

from asteroid_instglow.baselines.gan_networks import Adversaries, Critic, Generator
from asteroid_instglow.baselines.gan_search import (
    BOX,
    common_edges,
    cut,
    frequency_ratio,
    join,
    mismatch,
    search,
    spectral_distance,
)
from asteroid_instglow.baselines.gan_training import CRITIC_STEPS, GanSystem, _steepness


def generator(seed=0, **args):
    torch.manual_seed(seed)
    return Generator((16, 8), **{"n_latent": 3, "width": 4, "depth": 2, **args})


@pytest.fixture
def images():
    rng = torch.Generator().manual_seed(0)
    return torch.rand(3, 16, 8, generator=rng), torch.rand(3, 16, 8, generator=rng)


class TestNetworks:
    @pytest.mark.parametrize("size, depth", [((16, 8), 2), ((64, 32), 3)])
    def test_shapes(self, size, depth):
        g = Generator(size, n_latent=5, width=2, depth=depth)
        patch = g(torch.rand(4, 5))

        assert patch.shape == (4, *size) and patch.abs().max() <= 1
        assert Critic(g)(patch).shape == (4,)
        assert g.magnitude(torch.rand(4, 5)).min() >= 0

    def test_size_of_the_paper(self):
        """SpecGAN's generator: 128 x 128 of 100 numbers, 64 to 1024 channels."""
        g = Generator((128, 128), n_latent=100, width=64, depth=5)
        chan = [1024, 512, 256, 128, 64, 1]
        convolutions = sum(25 * i * o + o for i, o in zip(chan, chan[1:]))

        assert g.start == (1024, 4, 4)
        assert sum(p.numel() for p in g.parameters()) == 101 * 16384 + convolutions

    def test_size_must_fit(self):
        with pytest.raises(ValueError, match="multiples of 4, got"):
            Generator((18, 8), depth=2)

    def test_scale_of_the_patches_is_that_of_the_data(self):
        adversaries = Adversaries(generator(), n_fft=32, hop_length=8)
        wav = torch.randn(5, 56, generator=torch.Generator().manual_seed(0))
        adversaries.measure(wav)
        magnitude = adversaries.magnitude(wav)

        patch = adversaries.generator.normalised(magnitude)

        assert magnitude.shape == patch.shape == (5, 16, 8)
        assert_close(patch.mean((0, 2)), torch.zeros(16), atol=0.02, rtol=0)
        # Back again, where nothing was cut.
        g = adversaries.generator
        g.forward = lambda latent: patch
        inside = patch.abs() < 1
        assert_close(g.magnitude(None)[inside], magnitude[inside], rtol=1e-3, atol=1e-5)

    def test_penalty_is_of_the_slope(self):
        real, fake = torch.randn(2, 6, 16, 8)

        def plane(patch):
            return 3 * patch[:, 0, 0]

        assert_close(_steepness(plane, real, fake), torch.full((6,), 4.0))


class TestTurns:
    @pytest.mark.parametrize("step", range(CRITIC_STEPS + 1))
    def test_only_whose_turn_it_is_gets_gradients(self, step):
        adversaries = Adversaries(generator(), n_fft=32, hop_length=8)
        system = GanSystem(adversaries, torch.optim.Adam(adversaries.parameters()), None)
        system._trainer = type("Trainer", (), {"global_step": step})()

        total, count = system.loss_terms(torch.randn(4, 56))
        total.backward()

        assert count == 4
        critics = step < CRITIC_STEPS
        for part, its_turn in [("critic", critics), ("generator", not critics)]:
            gradients = [p.grad is not None for p in getattr(adversaries, part).parameters()]
            assert all(gradients) if its_turn else not any(gradients)


class TestLosses:
    def test_spectral_distance_and_ratio_are_zero_at_the_truth_only(self, images):
        a, b = images
        for distance in (spectral_distance, frequency_ratio):
            assert_close(distance(a, a), torch.zeros(3))
            assert (distance(a, b) > 0.01).all()
        assert_close(frequency_ratio(a, 2 * a), frequency_ratio(2 * a, a))
        # One term for each of the 8 frames.
        expected = torch.full((3,), 8 * 2.0).log() - torch.full((3,), 8.0).log()
        assert_close(frequency_ratio(a, 2 * a), 8 * expected, rtol=1e-4, atol=0)

    def test_common_edges(self):
        step = torch.zeros(1, 16, 8)
        step[:, 8:] = 1
        other = torch.zeros(1, 16, 8)
        other[:, :, 4:] = 1

        assert common_edges(step, step) > common_edges(step, other) + 0.1
        assert_close(common_edges(step, step), common_edges(step, 2 * step), atol=0.05, rtol=0)

    def test_items_do_not_see_each_other(self, images):
        mixture, sources = images[0], torch.stack(images)
        together = mismatch(mixture, sources)
        apart = torch.cat([mismatch(mixture[i : i + 1], sources[:, i : i + 1]) for i in range(3)])

        assert_close(together, apart)

    def test_is_least_at_the_true_sources(self, images):
        sources = torch.stack(images)
        truth = mismatch(sources.sum(0), sources)
        for wrong in (0.5 * sources, sources + 0.3 * torch.rand_like(sources)):
            assert (mismatch(sources.sum(0), wrong) > truth).all()


class TestSearch:
    def test_lowers_the_loss_within_the_box(self):
        generators = [generator(1), generator(2)]
        rng, seen = torch.Generator().manual_seed(3), []
        latents = [2 * torch.rand(2, 3, generator=rng) - 1 for _ in generators]
        with torch.no_grad():
            mixture = sum(g.magnitude(z) for g, z in zip(generators, latents))
            start = torch.stack([g.magnitude(torch.zeros(2, 3)) for g in generators])

            for g in generators:
                g.first.register_forward_pre_hook(
                    lambda module, args: seen.append(args[0].detach())
                )
            found = search(generators, mixture, 80, 0.05)

        assert found.shape == start.shape and not found.requires_grad
        assert BOX == 0.9 and seen and max(z.abs().max() for z in seen) <= BOX
        before, after = (spectral_distance(mixture, x.sum(0)).sum() for x in (start, found))
        assert after < 0.5 * before
        assert all(p.grad is None for g in generators for p in g.parameters())

    def test_stops_when_told_to(self):
        seen = []

        search(
            [generator()], torch.rand(1, 16, 8), 50, 0.05, lambda i, loss: seen.append(i) or i == 2
        )

        assert seen == [1, 2]

    @pytest.mark.parametrize("n_frames", [1, 5, 8, 9, 20, 33])
    @pytest.mark.parametrize("overlap", [0, 2, 3])
    def test_joining_undoes_cutting(self, n_frames, overlap):
        magnitude = torch.rand(2, 5, n_frames)

        patches = cut(magnitude, 8, overlap)

        assert patches.shape[0] == 2 and patches.shape[2:] == (5, 8)
        assert_close(join(patches[None], overlap, n_frames)[0], magnitude)
