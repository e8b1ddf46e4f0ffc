import numpy as np
import pytest
import torch
from conftest import SHARED, tiny_prior
from probe_weights import convert_roformer
from safetensors.torch import load_file
from torch.testing import assert_close

from asteroid_instglow import GenerativeSeparator, JointEncoder
from asteroid_instglow.audio.stft import istft, stft
from asteroid_instglow.encoder import (
    BandSplitEncoder,
    SourceEncoder,
    estimate_each,
    share_bodies,
    solve_encoder,
)
from asteroid_instglow.encoder.attention import Block, FastBlock, in_pieces
from asteroid_instglow.training.encoder_optimizer import encoder_optimizer

TINY = {"n_fft": 64, "hop_length": 16, "width": 4}


BANDS = {"depth": 1, "n_heads": 2, "hidden": 8, "bands": ((12, 2), (2, 4), (1, 1))}


def encoder(seed=0, **args):
    torch.manual_seed(seed)
    return SourceEncoder(**{**TINY, **args}).eval()


def band_split(seed=0, **args):
    torch.manual_seed(seed)
    return BandSplitEncoder(**{**TINY, **BANDS, "width": 8, **args}).eval()


EACH = pytest.mark.parametrize("make", [encoder, band_split])


@pytest.mark.parametrize("time", [64, 1000, 1017])
@pytest.mark.parametrize("n_src", [1, 3])
@EACH
def test_shapes(time, n_src, make):
    mean = make(n_src=n_src)(torch.randn(2, time))
    assert mean.shape == (2, n_src, 33, 1 + time // 16)
    assert mean.is_complex()


@EACH
@pytest.mark.parametrize("gain", [10, 1e-4])
def test_guess_follows_the_level_of_the_mixture(make, gain):
    wav = torch.randn(1, 800)
    assert_close(make()(gain * wav) / gain, make()(wav), rtol=1e-3, atol=1e-4)


@EACH
def test_batch_changes_nothing(make):
    wav = torch.randn(3, 800)
    mean = make()(wav)
    for i in range(3):
        assert_close(make()(wav[i : i + 1])[0], mean[i], rtol=1e-4, atol=1e-5)


def test_silence_gives_silence():
    assert not encoder()(torch.zeros(1, 800)).abs().any()


def test_the_parts_of_a_mixture_are_scaled_by_the_mixture():
    parts = torch.randn(2, 3, 800)
    spec, scale = encoder().transform(parts)
    mixture, same = encoder().transform(parts.sum(1))
    assert_close(scale, same)
    assert_close(spec.sum(1), mixture[:, 0], rtol=1e-4, atol=1e-5)
    assert_close(spec[:, 1] * scale, stft(parts[:, 1], 64, 16), rtol=1e-4, atol=1e-5)
    assert 0.5 < mixture.abs().square().mean() < 2


def test_above_its_bins_it_guesses_nothing():
    guess = encoder(n_bins=20)(torch.randn(2, 800))
    assert guess[:, :, :20].abs().min() > 0 and not guess[:, :, 20:].any()


def test_gradients_reach_every_parameter():
    net = encoder(n_src=2).train()
    net(torch.randn(2, 800)).abs().sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


def test_the_optimizer_has_every_parameter_once_and_gates_apart():
    net = encoder(n_src=2)
    optimizer, _ = encoder_optimizer(net, 10)
    groups = {group["n_stacked"]: group["params"] for group in optimizer.param_groups}
    moved = [id(p) for params in groups.values() for p in params]
    assert sorted(moved) == sorted(id(p) for p in net.parameters())
    # Four gates of two features each, of every layer and direction.
    assert len(groups[4]) == 12 and {len(p) for p in groups[4]} == {8}
    assert [p is net.join.weight for p in groups[1]] == [True]


def test_an_encoder_alone_guesses_as_it_did_among_others():
    joint = encoder(n_src=3)
    wav = torch.randn(2, 800)
    for i in range(3):
        one = joint.alone(i).eval()
        assert_close(one(wav)[:, 0], joint(wav)[:, i], rtol=1e-4, atol=1e-5)
    one.join.weight.data.zero_()
    assert joint.join.weight.any(), "the weights must be copies"


def test_a_new_source_takes_the_body_and_learns_its_mask():
    joint = encoder(n_src=3)
    one = joint.alone(-1)
    taken, own = joint.state_dict(), one.state_dict()
    for name, value in own.items():
        assert name.startswith("mask.") or torch.equal(value, taken[name]), name
    assert not torch.equal(one.alone(-1).mask.weight, one.mask.weight)
    assert SourceEncoder(**one.get_args()).n_src == 1


def test_a_joint_encoder_is_saved_and_gives_each_source_its_own(tmp_path):
    joint = JointEncoder(["bass", "drums"], 8000, TINY).eval()
    joint.save_pretrained(tmp_path / "joint")
    again = JointEncoder.from_pretrained(tmp_path / "joint")
    wav = torch.randn(1, 800)
    assert torch.equal(again(wav), joint(wav)) and again.sample_rate == 8000
    assert_close(again.encoder_of("drums").eval()(wav)[:, 0], joint(wav)[:, 1])
    prior = tiny_prior("drums", 0)
    prior.add_encoder(again.encoder_of("drums"))
    rebuilt = type(prior)(**prior.get_model_args())
    rebuilt.load_state_dict(prior.state_dict())
    assert_close(rebuilt.eval().encoder(wav)[:, 0], joint(wav)[:, 1])
    with pytest.raises(ValueError, match="sources must be names, each once"):
        JointEncoder(["bass", "bass"])


@pytest.mark.parametrize(
    "args, text",
    [
        ({"n_bins": 33}, "n_bins must be 1 to n_fft / 2 = 32, got 33"),
        ({"n_bins": 0}, "n_bins must be"),
        ({"width": 5}, "width must be even and positive, got 5"),
    ],
)
def test_bad_sizes_are_refused(args, text):
    with pytest.raises(ValueError, match=text):
        SourceEncoder(**{**TINY, **args})


def test_sources_of_encoders_sum_to_the_mixture():
    wav = torch.randn(2, 800)
    for residual in (False, True):
        out = solve_encoder(wav, [encoder(0), encoder(1)], residual).sources
        assert len(out) == 2 + residual
        assert_close(out.sum(0), stft(wav, 64, 16), atol=1e-4, rtol=0)


def test_what_was_added_later_is_taken_away_first():
    torch.manual_seed(0)
    wav, sources = torch.randn(2, 800), ["bass", "strings", "voice"]
    old, strings, voice = encoder(0), encoder(1), encoder(2)
    plain = solve_encoder(wav, [old, strings, voice], constrained=False).sources

    def guesses():
        return solve_encoder(wav, [old, strings, voice], constrained=False, sources=sources).sources

    assert_close(guesses(), plain, atol=0, rtol=0)  # nothing is known
    old.heard, voice.heard = ["bass", "drums"], ["voice", "drums"]
    assert_close(guesses(), plain, atol=0, rtol=0)  # neither has heard the other
    strings.heard = ["bass", "strings"]
    found = guesses()
    assert_close(found[1:], plain[1:], atol=0, rtol=0)
    rest = wav - istft(plain[1], 64, 16, 800)
    assert_close(found[0], solve_encoder(rest, [old], constrained=False).sources[0])
    voice.heard = ["bass", "strings", "voice"]
    found = guesses()
    assert_close(found[2], plain[2], atol=0, rtol=0)
    rest = wav - istft(plain[2], 64, 16, 800)
    assert_close(found[1], solve_encoder(rest, [strings], constrained=False).sources[0])
    rest = wav - istft(found[1] + found[2], 64, 16, 800)
    assert_close(found[0], solve_encoder(rest, [old], constrained=False).sources[0])


def test_separator_chooses_the_encoders_if_all_have_one():
    with_encoder = {n: tiny_prior(n, i, encoder=TINY) for i, n in enumerate(("bass", "drums"))}
    wav = torch.randn(1, 2, 4000)
    both = GenerativeSeparator(with_encoder)
    for stereo in ("mid", "channels", "spatial"):
        out = both.separate(wav, stereo=stereo)
        assert_close(out.sum(1), wav, atol=1e-5, rtol=0)
    again = GenerativeSeparator.from_pretrained(both.serialize())
    assert torch.equal(again.separate(wav), both.separate(wav))
    mixed = GenerativeSeparator({**with_encoder, "piano": tiny_prior("piano", 3)}, n_iter=2)
    assert torch.equal(mixed.separate(wav), mixed.separate(wav, solver="paper"))
    with pytest.raises(ValueError, match="needs encoders; piano has none"):
        mixed.separate(wav, solver="encoder")
    odd = tiny_prior("odd", 3, encoder={**TINY, "hop_length": 8})
    with pytest.raises(ValueError, match="share one encoder hop_length"):
        GenerativeSeparator({**with_encoder, "odd": odd})


@EACH
def test_a_body_that_encoders_share_runs_once(make):
    joint = make(n_src=2)
    encoders = [joint.alone(0), make(7), joint.alone(1)]
    assert encoders[0].has_body_of(encoders[2]) and not encoders[0].has_body_of(encoders[1])
    spec = encoders[0].transform(torch.randn(2, 800))[0][:, 0]
    with torch.no_grad():
        apart = [one.estimate(spec)[:, 0] for one in encoders]
    share_bodies(encoders)
    calls = []
    for one in {id(m): m for e in encoders for m in e.children()}.values():
        one.register_forward_hook(lambda module, *_: calls.append(module))
    with torch.no_grad():
        together = estimate_each(encoders, spec)
    assert_close(together, torch.stack(apart), atol=0, rtol=0)
    assert len(calls) == len(set(map(id, calls)))
    assert encoders[0].mask is not encoders[2].mask
    with torch.no_grad():  # one that has been trained alone has a body of its own
        trained = joint.alone(1)
        next(p for n, p in trained.named_parameters() if not n.startswith("mask.")).add_(0.1)
    assert not encoders[0].has_body_of(trained)


@pytest.mark.skipif(not (SHARED / "probe").exists(), reason="needs ../shared/probe")
def test_the_band_split_encoder_gives_the_estimates_of_a_converted_network():
    encoder = BandSplitEncoder(n_src=4).eval()
    weights = load_file(SHARED / "probe" / "band_roformer_96x6.safetensors")
    encoder.load_state_dict(convert_roformer(weights))
    example = np.load(SHARED / "probe" / "example.npz")
    mixture = torch.from_numpy(example["mixture"]).float()[None]
    with torch.no_grad():
        estimates = istft(encoder(mixture), 2048, 512, mixture.shape[-1])[0]
    assert_close(estimates, torch.from_numpy(example["estimates"]), atol=1e-5, rtol=0)


def test_bands_must_cover_the_spectrum():
    with pytest.raises(ValueError, match="bands must hold"):
        band_split(bands=((12, 2), (2, 4)))
    with pytest.raises(ValueError, match="width must be a multiple"):
        band_split(width=10)


@pytest.mark.parametrize("length", [20, 57])
def test_the_fast_block_gives_what_the_trained_one_gives(length):
    torch.manual_seed(0)
    block = Block(12, 3)
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
        x = torch.randn(5, length, 12)
        assert_close(FastBlock(block)(x), block(x), atol=1e-5, rtol=1e-4)


def test_pieces_cover_a_sequence_once_and_odd_ones_are_shifted():
    seen = []

    def block(h):
        seen.append(h[:, :, 0].long().tolist())
        return h + 1

    h = torch.arange(10.0)[None, :, None]
    assert torch.equal(in_pieces(block, h, 4, odd=False), h + 1)
    assert torch.equal(in_pieces(block, h, 4, odd=True), h + 1)
    assert [piece[0] for piece in seen[0]] == [0, 4, 6]
    assert [piece[0] for piece in seen[1]] == [0, 2, 6]
    assert torch.equal(in_pieces(block, h[:, :3], 4, odd=True), h[:, :3] + 1)
