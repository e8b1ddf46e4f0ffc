import json

import pytest
import soundfile
import torch
from conftest import tiny_prior

from asteroid_instglow import GenerativeSeparator, SeparationOptions, objective
from asteroid_instglow.cli import main
from asteroid_instglow.cli.diagnose import describe
from asteroid_instglow.diagnosis import diagnose, likelihood, stops, summarise

NAMES = ("bass", "drums")


@pytest.fixture
def separator():
    return GenerativeSeparator({n: tiny_prior(n, i) for i, n in enumerate(NAMES)}, n_iter=3)


def song(seed=0):
    torch.manual_seed(seed)
    return {name: 0.1 * torch.randn(2000) for name in (*NAMES, "strings")}


def test_each_prior_is_asked_about_each_stem(separator):
    stems, bass = song(), separator.priors[0]
    found = diagnose(separator, sum(stems.values()), stems)
    assert list(found["stems"]) == list(stems)
    assert all(list(row) == list(NAMES) for row in found["stems"].values())
    for i, name in enumerate(NAMES):
        assert found["stems"]["strings"][name] == likelihood(separator.priors[i], stems["strings"])
    # Of the dithered wav, 1/65536 louder on average: next to that without.
    x = bass.magnitude(stems["drums"][None])
    plain = -bass.log_prob(x) / (bass.n_freq * x.shape[-1])
    assert found["stems"]["drums"]["bass"] == pytest.approx(plain.item(), abs=0.01)
    assert found["stems"]["drums"]["bass"] != found["stems"]["drums"]["drums"]
    estimate = separator.separate(sum(stems.values()))[1]
    assert found["estimates"]["drums"] == likelihood(separator.priors[1], estimate)
    assert [piece["stopped"] for piece in found["search"]] == ["n_iter"]


def test_the_searches_of_the_pieces_are_told_apart(separator):
    wav = sum(song().values())
    found = diagnose(separator, wav, chunk=0.15, overlap=0.01, n_iter=400, early_stop=0.5)
    assert len(found["search"]) == 2 and found["stems"] == {}
    for piece in found["search"]:
        assert piece["stopped"] == "plateau" and 20 < piece["iterations"] < 400
        assert piece["last_loss"] < piece["first_loss"]


def test_reasons():
    losses = [(i + 1, 1.0) for i in range(30)]
    for n_iter, early, reason in (30, 0.1, "n_iter"), (31, 0.1, "plateau"), (31, 0.0, "not finite"):
        chosen = SeparationOptions(n_iter=n_iter, early_stop=early)
        assert stops(losses, chosen)[0]["stopped"] == reason
    assert stops([], chosen) == [
        {"iterations": 0, "first_loss": None, "last_loss": None, "stopped": "not finite"}
    ]
    two = stops([(1, 5.0), (2, 4.0), (1, 3.0)], SeparationOptions(n_iter=2))
    assert [piece["stopped"] for piece in two] == ["n_iter", "not finite"]
    assert two[0]["first_loss"] == 5.0 and two[0]["last_loss"] == 4.0


def test_a_search_that_leaves_the_finite_is_seen(separator, monkeypatch):
    losses = iter([3.0, 2.0, float("nan")])
    divergence = objective.kl_divergence

    def diverging(*args):
        return divergence(*args) * 0 + next(losses)

    monkeypatch.setattr(objective, "kl_divergence", diverging)
    found = diagnose(separator, sum(song().values()), n_iter=40)
    assert found["search"] == [
        {"iterations": 2, "first_loss": 3.0, "last_loss": 2.0, "stopped": "not finite"}
    ]


def test_summary_counts_and_averages():
    songs = [
        {
            "stems": {"bass": {"bass": 1.0, "drums": 2.0}, "strings": {"bass": 3.0, "drums": 1.0}},
            "estimates": {"bass": 0.5, "drums": 4.0},
        },
        {"stems": {"bass": {"bass": 3.0, "drums": 2.0}}, "estimates": {"bass": 3.5, "drums": 6.0}},
    ]
    found = summarise(songs)
    assert found["told_apart"] == [1, 2]
    assert found["stems"]["bass"] == {"bass": 2.0, "drums": 2.0}
    assert found["stems"]["strings"] == {"bass": 3.0, "drums": 1.0}
    assert found["estimates"] == {"bass": 2.0, "drums": 5.0}
    assert found["gap"] == {"bass": 0.0}


def test_command(separator, tmp_path, capsys):
    separator.save_pretrained(tmp_path / "priors")
    folder = tmp_path / "songs" / "one"
    folder.mkdir(parents=True)
    for name, wav in song().items():
        soundfile.write(folder / f"{name}.wav", wav.numpy(), 8000, "FLOAT")
    soundfile.write(tmp_path / "one.wav", sum(song().values()).numpy(), 8000, "FLOAT")
    args = ["--priors", str(tmp_path / "priors"), "--n-iter", "2"]
    assert main(["diagnose", str(folder), *args, "--json"]) == 0
    of_folder = json.loads(capsys.readouterr().out)
    references = ["--references", str(tmp_path / "songs")]
    assert main(["diagnose", str(tmp_path / "one.wav"), *references, *args, "--json"]) == 0
    of_file = json.loads(capsys.readouterr().out)
    assert list(of_folder["stems"]) == ["bass", "drums", "strings"]
    assert of_file["stems"] == of_folder["stems"]
    assert of_file["gap"]["bass"] == pytest.approx(of_folder["gap"]["bass"], abs=1e-3)
    assert main(["diagnose", str(tmp_path / "one.wav"), *args]) == 0
    table = capsys.readouterr().out
    assert "no true stems" in table and "one: iteration 2, n_iter, loss" in table
    wrong = ["--references", str(tmp_path / "none")]
    assert main(["diagnose", str(tmp_path / "one.wav"), *wrong, *args]) == 2
    assert "references must hold a folder one" in capsys.readouterr().err


def test_the_separator_tells_what_it_goes_by(separator):
    found = separator.resolved(separator.options)
    assert (found.solver, found.n_iter, found.lr, found.wiener) == ("paper", 3, 0.01, False)
    for prior in separator.priors:
        prior.add_encoder({"n_fft": 64, "hop_length": 16, "width": 4})
    assert separator.resolved(separator.options).solver == "encoder"
    # And it is what diagnose tells of.
    wav = sum(song().values())
    assert diagnose(separator, wav)["search"] == []
    found = diagnose(separator, wav, song(), solver="paper", chunk=0.15, overlap=0.01)
    assert [piece["iterations"] for piece in found["search"]] == [3, 3]
    table = describe({"songs": {"one": found}, **summarise([found])})
    assert "one, piece 2: iteration 3, n_iter, loss" in table
