"""Every system through one interface: trained for a few steps, saved, loaded, separating."""

import json
import shutil

import numpy as np
import pytest
import soundfile
import torch
from tiny_systems import TINY
from torch.testing import assert_close

from asteroid_instglow.baselines import SYSTEMS, load_baseline, system_class
from asteroid_instglow.baselines.oracles import Oracle
from asteroid_instglow.baselines.training import train_baseline

RATE = 8000
SOURCES = ["bass", "drums", "piano"]
NEEDS = {"open-unmix": "openunmix", "demucs": "demucs", "mwf": "openunmix"}
TRAINED = [name for name in SYSTEMS if system_class(name).kind != "oracle"]


def song(seed, seconds=1.0):
    """(n_src, time): tones and noise that a model can tell apart."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    beat = (time * 8 % 1 < 0.3) * rng.standard_normal(len(time))
    tones = [np.sin(2 * np.pi * pitch * (1 + 0.05 * seed) * time) for pitch in (80, 900)]
    return 0.2 * np.stack([tones[0], beat, tones[1]]).astype(np.float32)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Songs with all their stems in one folder."""
    root = tmp_path_factory.mktemp("band")
    for seed in range(3):
        folder = root / f"song{seed}"
        folder.mkdir()
        for name, wav in zip(SOURCES, song(seed)):
            soundfile.write(folder / f"{name}.wav", wav, RATE)
    return root


def train(name, data, output, **options):
    if name in NEEDS:
        pytest.importorskip(NEEDS[name], reason="the extra [baselines] is not installed")
    options = {
        "model": {"sample_rate": RATE, **TINY[name]},
        "n_steps": 4,
        "batch_size": 2,
        "segment": 0.2,
        "val_every": 2,
        "progress": False,
        "accelerator": "cpu",
        **options,
    }
    return train_baseline(name, data, output, SOURCES, **options)


@pytest.fixture(scope="module", params=list(SYSTEMS))
def trained(request, data, tmp_path_factory):
    """Name, folder and record of a system after a few steps."""
    folder = tmp_path_factory.mktemp("trained") / "model"
    return request.param, folder, train(request.param, data, folder)


@pytest.fixture
def model(trained):
    return load_baseline(trained[1])


def separate(model, truth, **options):
    """Separates the sum of the true sources (batch, n_src, ..., time)."""
    if isinstance(model, Oracle):
        options["references"] = truth
    return model.separate(truth.sum(1), **options)


def batch(*seeds, channels=None):
    truth = torch.from_numpy(np.stack([song(seed) for seed in seeds]))
    if channels:
        gains = 1 + 0.3 * torch.randn(3, channels, 1, generator=torch.Generator().manual_seed(0))
        truth = truth[:, :, None] * gains
    return truth


def test_training_leaves_a_record(trained):
    name, folder, record = trained
    model = load_baseline(folder)

    assert record == json.loads((folder / "training.json").read_text())
    assert record["system"] == name and record["sources"] == SOURCES == model.sources
    assert record["kind"] in ("source-only", "supervised", "oracle")
    assert record["finished"] and record["parameters"] == model.n_parameters
    assert (record["parameters"] > 0) == (name in TRAINED)
    assert model.sample_rate == RATE and not model.training


def test_saving_and_loading_is_exact(trained, model, tmp_path):
    model.save_pretrained(tmp_path / "again")
    again = load_baseline(tmp_path / "again")

    assert (tmp_path / "again" / "config.json").is_file()
    assert again.get_model_args() == model.get_model_args()
    ours, its = model.state_dict(), again.state_dict()
    assert list(ours) == list(its) and all(torch.equal(ours[k], its[k]) for k in ours)
    truth = batch(4)
    assert torch.equal(separate(model, truth), separate(again, truth))


@pytest.mark.parametrize("channels", [None, 2])
@pytest.mark.parametrize("rate", [RATE, 11025])
def test_shape_sum_and_finiteness(model, channels, rate):
    truth = batch(4, 5, channels=channels)

    out = separate(model, truth, sample_rate=rate)

    assert out.shape == truth.shape and out.isfinite().all() and out.any()
    if model.sums_up:
        assert_close(out.sum(1), truth.sum(1), atol=2e-5, rtol=0)


def test_silence_stays_silence(model):
    for shape in [(1, 3, 4000), (2, 3, 2, 4000)]:
        assert not separate(model, torch.zeros(shape)).any()


def test_one_silent_item_is_silent(model):
    truth = torch.cat([batch(4), torch.zeros(1, 3, RATE)])

    out = separate(model, truth)

    assert out.isfinite().all() and out[1].abs().max() < 1e-3


def test_two_at_once_are_the_same_as_one_by_one(model):
    truth = batch(4, 5)

    together = separate(model, truth)

    apart = torch.cat([separate(model, truth[i : i + 1]) for i in (0, 1)])
    assert_close(together, apart, atol=2e-5, rtol=1e-3)


def test_short_and_long_wavs(model):
    truth = batch(4)
    assert separate(model, truth[..., :50]).shape == (1, 3, 50)
    if isinstance(model, Oracle):
        return
    pieces = separate(model, truth, chunk=0.5, overlap=0.1)
    assert pieces.shape == truth.shape and pieces.isfinite().all()
    with pytest.raises(TypeError, match="unknown option magic"):
        separate(model, truth, magic=1)


def test_files(model, data, tmp_path):
    folder = data / "song0"
    mixture = tmp_path / "mixture.wav"
    soundfile.write(mixture, song(0).sum(0), RATE)
    options = {"references": folder} if isinstance(model, Oracle) else {}

    paths = model.separate(mixture, tmp_path / "stems", **options)

    assert list(paths) == SOURCES and all(path.is_file() for path in paths.values())


@pytest.mark.parametrize("name", TRAINED)
def test_a_stopped_training_goes_on_exactly(name, data, tmp_path):
    train(name, data, tmp_path / "whole")
    stopped = train(name, data, tmp_path / "parts", time_limit=1e-9)
    torch.rand(1)
    resumed = train(name, data, tmp_path / "parts")

    assert not stopped["finished"] and stopped["steps"] < 4
    assert resumed["finished"] and resumed["steps"] == 4
    ours, its = (load_baseline(tmp_path / run).state_dict() for run in ("whole", "parts"))
    assert all(torch.equal(ours[k], its[k]) for k in ours)


@pytest.mark.parametrize("name", TRAINED)
def test_another_seed_is_another_model(name, data, tmp_path):
    for seed in (0, 1):
        train(name, data, tmp_path / str(seed), seed=seed)

    ours, its = (load_baseline(tmp_path / str(seed)).state_dict() for seed in (0, 1))
    assert not all(torch.equal(ours[k], its[k]) for k in ours)


@pytest.mark.parametrize("name", TRAINED)
def test_other_arguments_do_not_go_on(name, data, tmp_path):
    train(name, data, tmp_path)
    with pytest.raises(ValueError, match="as in the run to resume"):
        train(name, data, tmp_path, seed=1)
    other = shutil.copytree(data, tmp_path / "other")
    soundfile.write(other / "song1" / "bass.wav", song(7)[0], RATE)
    with pytest.raises(ValueError, match="recordings"):
        train(name, other, tmp_path, validation_data=data)
    assert train(name, data, tmp_path, seed=1, resume=False)["finished"]


@pytest.mark.parametrize("name", ["nmf", "gan"])
def test_a_source_is_added_without_retraining(name, data, tmp_path):
    train(name, data, tmp_path / "all")
    for sources in (["bass", "drums"], ["piano"]):
        options = {"model": {"sample_rate": RATE, **TINY[name]}, "progress": False}
        options |= {"n_steps": 4, "batch_size": 2, "val_every": 2, "accelerator": "cpu"}
        train_baseline(name, data, tmp_path / sources[0], sources, **options)
    grown = load_baseline(tmp_path / "bass")
    kept = {name: value.clone() for name, value in grown.state_dict().items()}

    grown.add(load_baseline(tmp_path / "piano"))

    assert grown.sources == SOURCES
    assert all(torch.equal(grown.state_dict()[name], kept[name]) for name in kept)
    truth = batch(4)
    assert_close(separate(grown, truth), separate(load_baseline(tmp_path / "all"), truth))
    with pytest.raises(ValueError, match="other must be"):
        grown.add(load_baseline(tmp_path / "piano"))


def test_oracles_want_the_truth(model):
    if isinstance(model, Oracle):
        with pytest.raises(ValueError, match="references must be"):
            model.separate(torch.randn(1, 4000))
        with pytest.raises(ValueError, match="references must be"):
            model.separate(torch.randn(1, 4000), references=torch.randn(1, 2, 4000))


class TestNames:
    def test_unknown_system(self):
        with pytest.raises(ValueError, match="name must be one of nmf"):
            system_class("spleeter")

    def test_folder_of_something_else(self, tmp_path, priors):
        priors["bass"].save_pretrained(tmp_path / "prior")
        with pytest.raises(ValueError, match="must hold a baseline, got a GlowPrior"):
            load_baseline(tmp_path / "prior")

    @pytest.mark.parametrize("sources", [[], ["bass", "bass"]])
    def test_sources_must_differ(self, sources):
        with pytest.raises(ValueError, match="sources must be"):
            system_class("nmf")(sources)

    @pytest.mark.parametrize("name", ["open-unmix", "demucs"])
    def test_a_missing_package_is_named(self, name, monkeypatch):
        monkeypatch.setattr("asteroid_instglow.utils.extras.find_spec", lambda name: None)
        with pytest.raises(ModuleNotFoundError, match=r"pip install 'asteroid-instglow\[baseli"):
            system_class(name)(SOURCES)


BAD = [
    (name, argument, value)
    for name in SYSTEMS
    for argument, value in [("sample_rate", float("nan")), ("sources", "ab"), ("sources", ["../a"])]
    + [(size, bad) for size in system_class(name).sizes for bad in (0, 10**9, 1.5, "4", True, None)]
]
BAD += [("gan", "search_lr", float("inf")), ("gan", "overlap_frames", 128)]
BAD += [("irm", "hop_length", 2**40), ("nmf", "n_fft", 0), ("conv-tasnet", "mask_act", "eval")]
BAD += [("wave-u-net", "down_size", 4), ("open-unmix", "hidden_size", 3)]


@pytest.mark.parametrize("name, argument, value", BAD)
def test_bad_arguments_are_refused_before_building(name, argument, value):
    with pytest.raises(ValueError, match=f"{argument.rstrip('s')}.* must "):
        system_class(name)(**{"sources": SOURCES, argument: value})


@pytest.mark.parametrize(
    "name, sizes",
    [
        ("open-unmix", {"hidden_size": 8192, "n_layers": 16}),
        ("demucs", {"channels": 4096, "depth": 10}),
        ("conv-tasnet", {"bn_chan": 8192, "hid_chan": 8192, "n_blocks": 16}),
        ("wave-u-net", {"width": 1024, "depth": 20}),
        ("gan", {"width": 1024, "depth": 6}),
        ("nmf", {"n_atoms": 8192, "n_fft": 2**16, "hop_length": 2**14}),
    ],
)
def test_too_many_parameters_are_refused_before_building(name, sizes):
    if name in NEEDS:
        pytest.importorskip(NEEDS[name], reason="the extra [baselines] is not installed")
    with pytest.raises(ValueError, match="at most .* parameters, got"):
        system_class(name)([f"source{i}" for i in range(5)], **sizes)
