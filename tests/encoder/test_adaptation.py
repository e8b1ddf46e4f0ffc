"""Tests that encoders learn from a recording without its sources, and that nothing else changes."""

import pytest
import torch
from conftest import tiny_prior
from saved_models import same_weights

from asteroid_instglow import GenerativeSeparator, load_audio, save_audio
from asteroid_instglow import separator as separator_module
from asteroid_instglow.cli import main
from asteroid_instglow.encoder import adaptation

RATE = 8000
LSTM = {"n_fft": 64, "hop_length": 16, "width": 8}
BANDS = {**LSTM, "architecture": "band-split", "bands": ((12, 2), (2, 4), (1, 1))}
BANDS |= {"depth": 1, "n_heads": 2, "hidden": 8}
NAMES = ("bass", "drums")


@pytest.fixture
def separator():
    both = {"encoder": LSTM, "strong_encoder": BANDS}
    return GenerativeSeparator({n: tiny_prior(n, i, **both) for i, n in enumerate(NAMES)})


@pytest.fixture
def song():
    """A low tone against clicks, (time,)."""
    time = torch.arange(2 * RATE) / RATE
    generator = torch.Generator().manual_seed(0)
    clicks = torch.randn(len(time), generator=generator) * torch.exp(-20 * (time % 0.25))
    return 0.3 * torch.sin(2 * torch.pi * 100 * time) + 0.2 * clicks


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(adaptation, "SEGMENT", 0.5)
    monkeypatch.setattr(adaptation, "LR", 1e-2)


def fitted(separator, song, rate=RATE, **options):
    """The model that ``separate`` makes for a song."""
    made = []
    fit = GenerativeSeparator._fitted

    def keep(self, *args):
        made.append(fit(self, *args))
        return made[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GenerativeSeparator, "_fitted", keep)
        separator.torch_separate(song, rate, **options)
    return made[-1]


def test_the_encoders_learn_and_the_separator_stays(separator, song):
    before, state, losses = separator.separate(song), torch.get_rng_state(), []
    weights = {name: value.clone() for name, value in separator.state_dict().items()}
    after = separator.separate(song, adapt=30, progress=lambda _, loss: losses.append(loss))
    assert len(losses) == 31  # and of the one piece, NaN
    assert sum(losses[25:30]) < sum(losses[:5]) - 0.2
    assert (after - before).abs().max() > 1e-2
    torch.testing.assert_close(after.sum(0), song, atol=1e-5, rtol=0)
    now = separator.state_dict()
    assert all(torch.equal(now[name], value) for name, value in weights.items())
    assert torch.equal(torch.get_rng_state(), state)
    assert all(p.requires_grad for p in separator.parameters())


def test_it_is_the_same_again_and_another_with_another_seed(separator, song):
    first = separator.separate(song, adapt=2)
    assert torch.equal(separator.separate(song, adapt=2), first)
    assert not torch.equal(separator.separate(song, adapt=2, seed=1), first)


def test_each_item_of_a_batch_has_a_model_of_its_own(separator, song):
    batch = torch.stack([song, song.flip(0)])
    both = separator.separate(batch, adapt=2)
    for item, out in zip(batch, both):
        torch.testing.assert_close(separator.separate(item, adapt=2), out, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("quality", "learning"), [("fast", "01"), ("default", "10"), ("best", "00")]
)
def test_quality_says_which_encoders_learn(separator, song, quality, learning):
    model = fitted(separator, song, adapt=1, quality=quality)
    for old, new in zip(separator.priors, model.priors):
        pairs = ((old.encoder, new.encoder), (old.strong_encoder, new.strong_encoder))
        assert [str(int(same_weights(*pair))) for pair in pairs] == list(learning)
        assert same_weights(old.flow, new.flow)
        assert not new.encoder.training and not new.strong_encoder.training


def test_a_shared_body_stays_shared(song):
    bass, drums = (tiny_prior(n, i, encoder=LSTM) for i, n in enumerate(NAMES))
    body = {k: v for k, v in bass.encoder.state_dict().items() if not k.startswith("mask.")}
    drums.encoder.load_state_dict({**drums.encoder.state_dict(), **body})
    model = fitted(GenerativeSeparator({"bass": bass, "drums": drums}), song, adapt=2)
    first, second = (next(iter(prior.encoder.children())) for prior in model.priors)
    assert first is second
    assert not same_weights(first, next(iter(bass.encoder.children())))


def test_a_file_is_heard_as_the_tensor_is(separator, song, tmp_path):
    stereo = torch.stack([song, song.roll(3)])
    save_audio(tmp_path / "song.wav", stereo, RATE, subtype="FLOAT")
    how = {"adapt": 2, "sources": ["bass"], "subtype": "FLOAT"}
    paths = separator.separate(tmp_path / "song.wav", output_dir=tmp_path / "out", **how)
    wav = separator.separate(stereo[None], adapt=2)[0, 0]
    torch.testing.assert_close(load_audio(paths["bass"])[0], wav, atol=1e-6, rtol=0)
    auto = separator.separate(
        tmp_path / "song.wav", output_dir=tmp_path / "auto", adapt=1, sources="auto"
    )
    assert set(auto) == set(NAMES)
    plain, learnt = (separator.detect(tmp_path / "song.wav", adapt=n).unexplained for n in (0, 1))
    assert plain != learnt


def test_other_rates_and_music_out_of_tune(separator, song):
    assert separator.separate(song, sample_rate=11025, adapt=1).shape == (2, len(song))
    time = torch.arange(2 * RATE) / RATE
    sharp = 0.3 * torch.sin(2 * torch.pi * 446.4 * time)
    heard = [separator.separate(sharp, adapt=1, retune=retune) for retune in (True, False)]
    assert (heard[0] - heard[1]).abs().max() > 1e-4


def test_excerpts_of_a_long_recording(separator, song, monkeypatch):
    monkeypatch.setattr(separator_module, "EXCERPT", 0.1)
    monkeypatch.setattr(separator_module, "N_EXCERPTS", 3)
    seen = []
    remixes = adaptation.Remixes

    def look(recordings, *args):
        seen.extend(recordings)
        return remixes(recordings, *args)

    monkeypatch.setattr(adaptation, "Remixes", look)
    separator.separate(song, adapt=1)
    (sources,) = seen
    assert sources.shape == (2, 3 * 800)
    middle = (len(song) - 800) // 2
    heard = torch.cat([song[:800], song[middle : middle + 800], song[-800:]])
    # But for what is below hearing, excerpt by excerpt.
    assert torch.corrcoef(torch.stack([sources.sum(0), heard]))[0, 1] > 0.99


def test_remixes_take_each_source_from_another_place():
    ramp = torch.arange(1.0, 1001).repeat(2, 1)
    parts = adaptation.Remixes([ramp], 10, 50, seed=0).draw(50)
    assert parts.shape == (50, 2, 10)
    gain = 10 ** (adaptation.GAIN_DB / 20)
    step = parts.diff(dim=-1)[..., 0].abs() * 1000  # the gain
    assert step.min() > 0.99 / gain and step.max() < 1.01 * gain
    start = (parts[..., 0].abs() * 1000 / step).round()
    assert (start[:, 0] != start[:, 1]).float().mean() > 0.9
    # One from each fiftieth of the ramp.
    assert (start.sort(0).values.diff(dim=0) < 42).all() and start.max() <= 991
    assert 0.2 < (parts[..., 0] < 0).float().mean() < 0.8


def test_recordings_take_turns():
    short, long = torch.ones(2, 4), torch.ones(2, 30)
    parts = adaptation.Remixes([short, long], 10, 5, seed=0).draw(5)
    assert (parts != 0).sum(-1)[:, 0].tolist() == [4, 10, 4, 10, 4]
    assert adaptation.Remixes([short], 10, 1, seed=0).draw(1).shape == (1, 2, 4)


@pytest.mark.parametrize("residual", [False, True])
def test_the_earlier_do_not_hear_what_was_added_later(song, residual):
    first = tiny_prior("bass", 0, encoder={**LSTM, "heard": ["bass"]})
    later = tiny_prior("strings", 1, encoder={**LSTM, "heard": ["bass", "strings"]})
    separator = GenerativeSeparator({"bass": first, "strings": later}, residual=residual)
    groups = adaptation.hearing_alike(separator.priors, "default")
    assert [(own, unheard) for _, own, unheard in groups] == [([1], []), ([0], [1])]
    assert separator.separate(song, adapt=2).isfinite().all()


def test_a_callback_ends_it(separator, song):
    steps = []
    separator.separate(song, adapt=9, progress=lambda step, _: steps.append(step) or step == 2)
    assert steps == [1, 2, 1]  # and the piece that is separated then


def test_it_shows_a_bar_of_its_own(separator, song, capsys):
    separator.separate(song, adapt=2, progress=True)
    shown = capsys.readouterr().err
    assert "learning" in shown and "separating" in shown


@pytest.mark.parametrize("wav", [torch.zeros(RATE), torch.full((9,), 1e30), torch.ones(1)])
def test_strange_recordings_are_separated(separator, wav):
    out = separator.separate(wav, adapt=2)
    assert out.isfinite().all()
    torch.testing.assert_close(out.sum(0), wav, atol=1e-5 * float(wav.abs().max()), rtol=0)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"adapt": -1}, "adapt must be a whole number of at least 0, got -1"),
        ({"adapt": True}, "adapt must be a whole number"),
        ({"adapt": 2, "solver": "paper"}, 'adapt needs solver="encoder", got "paper"'),
        ({"adapt": 2, "sample_rate": 0}, "sample_rate must be"),
        ({"adapt": 2, "sample_rate": 1}, "sample_rate must be"),
    ],
)
def test_bad_options_are_refused(separator, song, options, text):
    with pytest.raises(ValueError, match=text):
        separator.separate(song, **options)


def test_priors_need_encoders(priors, song):
    with pytest.raises(ValueError, match='adapt needs solver="encoder", got "paper"'):
        GenerativeSeparator(priors).separate(song, adapt=2)


def separate_files(tmp_path, model, songs, *options, code=0):
    model.save_pretrained(tmp_path / "band")
    command = ["separate", *songs, "--priors", tmp_path / "band", "--device", "cpu", "--quiet"]
    output = ["-o", tmp_path / "out", "--overwrite", "--subtype", "FLOAT"]
    assert main([str(word) for word in (*command, *output, *options)]) == code
    paths = sorted((tmp_path / "out").rglob("*.wav"))
    return torch.stack([load_audio(path)[0] for path in paths]) if paths else None


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_command_learns_each_file(separator, song, tmp_path, jobs):
    songs = [tmp_path / "one.wav", tmp_path / "two.wav"]
    for path, wav in zip(songs, (song, song.flip(0))):
        save_audio(path, wav[None], RATE, subtype="FLOAT")
    todo = (tmp_path, separator, songs)
    plain = separate_files(*todo)
    learnt = [separate_files(*todo, "--adapt", 2, "--jobs", jobs) for _ in range(2)]
    assert plain.shape == (4, 1, len(song))
    assert torch.equal(*learnt)
    assert all((a != b).any() for a, b in zip(plain, learnt[0]))


def test_the_command_needs_steps_and_encoders(separator, priors, song, tmp_path, capsys):
    save_audio(tmp_path / "one.wav", song[None], RATE)
    todo = (tmp_path, separator, [tmp_path / "one.wav"])
    separate_files(*todo, "--adapt", -1, code=2)
    assert "adapt must be a whole number of at least 0, got -1" in capsys.readouterr().err
    todo = (tmp_path, GenerativeSeparator(priors), [tmp_path / "one.wav"])
    separate_files(*todo, "--adapt", code=2)
    assert 'adapt needs solver="encoder", got "paper"' in capsys.readouterr().err
