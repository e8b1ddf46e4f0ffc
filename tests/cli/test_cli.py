"""The instglow command as a user meets it: answers, files, exit codes, clear mistakes."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile
from command import check_mistake, run
from conftest import tiny_prior

from asteroid_instglow import GenerativeSeparator, GlowPrior
from asteroid_instglow.audio.io import load_audio
from asteroid_instglow.cli import main
from asteroid_instglow.cli.models import load_separator

RATE = 8000


FAST = ["--n-iter", "3", "--wiener", "--quiet"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two saved priors and a stereo song at 44.1 kHz."""
    path = tmp_path_factory.mktemp("cli")
    for i, name in enumerate(("bass", "drums")):
        tiny_prior(name, i).save_pretrained(path / "priors" / name)
    rng = np.random.default_rng(0)
    soundfile.write(path / "song.wav", 0.1 * rng.standard_normal((22050, 2)), 44100, "FLOAT")
    soundfile.write(path / "song.mp3", 0.1 * rng.standard_normal((44100, 2)), 44100)
    return path


@pytest.fixture
def priors(folder):
    return ["--priors", str(folder / "priors/bass"), str(folder / "priors/drums"), *FAST]


@pytest.mark.parametrize("name", ["song.wav", "song.mp3"])
def test_separate(capsys, folder, priors, tmp_path, name):
    args = ["separate", folder / name, *priors, "-o", tmp_path, "--subtype", "FLOAT", "--json"]
    code, out, _ = run(capsys, *args)
    assert code == 0
    files = json.loads(out)["files"][str(folder / name)]
    assert files == {n: str(tmp_path / "song" / f"{n}.wav") for n in ("bass", "drums")}
    mixture, rate = load_audio(folder / name)
    sources = []
    for path in files.values():
        wav, its_rate = load_audio(path)
        assert its_rate == rate == 44100 and wav.shape == mixture.shape
        sources.append(wav)
    assert (sum(sources) - mixture).abs().max() <= 1e-5 * mixture.abs().max()


def test_separate_names_subset_residual_and_formats(capsys, folder, tmp_path):
    where = folder / "priors"
    priors = [f"one={where / 'bass'}", f"two={where / 'bass'}", f"hits={where / 'drums'}"]
    args = [folder / "song.wav", "--priors", *priors, *FAST, "--residual", "--suffix", ".flac"]
    code, _, _ = run(capsys, "separate", *args, "--subtype", "PCM_24", "-o", tmp_path / "a")
    assert code == 0
    names = {"one.flac", "two.flac", "hits.flac", "residual.flac"}
    assert {p.name for p in (tmp_path / "a/song").iterdir()} == names
    assert soundfile.info(tmp_path / "a/song/one.flac").subtype == "PCM_24"
    code, _, _ = run(capsys, "separate", *args, "--sources", "hits", "-o", tmp_path / "b")
    assert code == 0
    assert {p.name for p in (tmp_path / "b/song").iterdir()} == {"hits.flac", "residual.flac"}


def test_separators_and_priors_together(folder, tmp_path):
    both = {n: GlowPrior.from_pretrained(folder / "priors" / n) for n in ("bass", "drums")}
    GenerativeSeparator(both, n_iter=7).save_pretrained(tmp_path / "a=band")
    band, bass = str(tmp_path / "a=band"), str(folder / "priors/bass")
    joined = load_separator([band, f"low={bass}"], residual=True)
    assert joined.sources == ["bass", "drums", "low", "residual"] and joined.options.n_iter == 7
    assert load_separator([f"{band}/priors/drums", bass]).sources == ["drums", "bass"]
    for specs, says in (
        ([band, bass], "'bass' twice: use NAME=DIR"),
        ([f"x={band}"], "is a separator, whose priors have names"),
    ):
        with pytest.raises(ValueError, match=says):
            load_separator(specs)


@pytest.mark.parametrize("name", ["...wav", ".stem.wav"])
def test_a_name_of_dots_leads_nowhere(capsys, priors, tmp_path, name):
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / name
    soundfile.write(path, np.zeros(400), RATE, format="WAV")
    before = sorted(tmp_path.rglob("*"))
    args = ["separate", path, *priors, "-o", tmp_path / "out"]
    check_mistake(capsys, *args, says="names no folder for its stems")
    model = GenerativeSeparator({"bass": tiny_prior("bass")})
    if name != ".stem.wav":
        with pytest.raises(ValueError, match="names no folder"):
            model.separate(path, n_iter=1)
    assert sorted(tmp_path.rglob("*")) == before


def test_any_failure_of_one_file_leaves_the_others(capsys, folder, priors, tmp_path, monkeypatch):
    original = GenerativeSeparator.file_separate

    def fail(self, path, *args, **options):
        if path.stem != "good":
            raise {"a": MemoryError(), "b": KeyError("x"), "c": AssertionError()}[path.stem]
        return original(self, path, *args, **options)

    monkeypatch.setattr(GenerativeSeparator, "file_separate", fail)
    files = [tmp_path / f"{name}.wav" for name in ("a", "b", "good", "c")]
    for path in files:
        soundfile.write(path, np.zeros(400), RATE)
    code, out, err = run(capsys, "separate", *files, *priors, "-o", tmp_path / "out", "--json")
    assert code == 1 and not err
    assert list(json.loads(out)["failed"]) == [str(tmp_path / f"{name}.wav") for name in "abc"]
    assert "not enough memory" in json.loads(out)["failed"][str(files[0])]
    assert (tmp_path / "out/good/bass.wav").is_file()


def test_existing_output(capsys, folder, priors, tmp_path):
    args = ["separate", folder / "song.wav", *priors, "-o", tmp_path]
    assert run(capsys, *args)[0] == 0
    before = (tmp_path / "song/bass.wav").read_bytes()
    check_mistake(capsys, *args, "--seed", "1", says=["song/bass.wav", "exist"])
    assert (tmp_path / "song/bass.wav").read_bytes() == before
    assert run(capsys, *args, "--overwrite")[0] == 0
    written = (tmp_path / "song/bass.wav").stat().st_mtime_ns
    code, out, _ = run(capsys, *args, "--skip-existing")
    assert code == 0 and "skipped, all stems are there" in out
    assert (tmp_path / "song/bass.wav").stat().st_mtime_ns == written
    (tmp_path / "song/bass.wav").unlink()
    check_mistake(capsys, *args, "--skip-existing", says="drums.wav exists: pass --overwrite")


def test_mistakes_are_found_before_the_work(capsys, folder, tmp_path, monkeypatch):
    monkeypatch.setattr("asteroid_instglow.cli.models.load_separator", None)
    args = ["separate", folder / "song.wav", "-o"]
    (tmp_path / "afile").touch()
    check_mistake(capsys, *args, tmp_path / "afile", says="output must be a folder, got the file")
    flac = ["--suffix", ".flac", "--subtype", "FLOAT"]
    check_mistake(capsys, *args, tmp_path / "x", *flac, says="must be one of PCM_16, PCM_24")
    check_mistake(capsys, "separate", tmp_path / "...wav", *args[2:], tmp_path / "x", says="...wav")
    assert not (tmp_path / "x").exists()


def test_names_that_are_not_utf8(capsys, folder, priors, tmp_path):
    for suffix in ("wav", "mp3"):
        song = tmp_path / os.fsdecode(f"caf\xe9_{suffix}.{suffix}".encode("latin-1"))
        song.write_bytes((folder / f"song.{suffix}").read_bytes())
        code, _, err = run(capsys, "separate", song, *priors, "-o", tmp_path / "out")
        assert code == 0, err
        assert load_audio(tmp_path / "out" / song.stem / "bass.wav")[0].any()


def test_bad_priors(capsys, folder, tmp_path):
    song, out = folder / "song.wav", ["-o", tmp_path / "out", *FAST]
    bass = folder / "priors/bass"

    def check(*priors, says):
        check_mistake(capsys, "separate", song, "--priors", *priors, *out, says=says)

    check(tmp_path / "nowhere", says="nowhere")
    check(bass, bass, says="'bass' twice")
    tiny_prior("slow", sample_rate=4000).save_pretrained(tmp_path / "rate")
    check(bass, tmp_path / "rate", says="share one sample_rate: 'bass' has 8000, 'slow' has 4000")
    (tmp_path / "empty").mkdir()
    check(tmp_path / "empty", says="config.json")


def test_bad_options(capsys, folder, priors, tmp_path):
    args = ["separate", folder / "song.wav", *priors, "-o", tmp_path / "out"]
    check_mistake(capsys, *args, "--chunk", "-1", says="--chunk must be a number from 0.01")
    check_mistake(capsys, *args, "--sources", "violin", says=["violin", "bass"])
    with pytest.raises(SystemExit) as error:
        main(["separate", "x.wav", "-o", str(tmp_path), "--solver", "magic"])
    assert error.value.code == 2 and "invalid choice: 'magic'" in capsys.readouterr().err


def test_no_command_shows_help(capsys):
    code, out, err = run(capsys)
    assert code == 2 and "separate" in err and "train" in err


def test_interrupted_half_way(folder, tmp_path):
    """Ctrl-C in a long search: exit code 130, one line, no file."""
    out = tmp_path / "out"
    priors = [str(folder / "priors" / name) for name in ("bass", "drums")]
    command = [
        sys.executable,
        "-c",
        "import sys; from asteroid_instglow.cli import main; sys.exit(main())",
    ]
    command += ["separate", str(folder / "song.wav"), "--priors", *priors, "-o", str(out)]
    command += ["--n-iter", "1000000"]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=env) as process:
        # The bar shows that the search is on.
        seen = b""
        while b"separating" not in seen:
            seen += process.stderr.read(1)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, rest = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"instglow: interrupted" in rest and b"Traceback" not in rest
    assert not out.exists()
