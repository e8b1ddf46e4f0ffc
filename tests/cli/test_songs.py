"""Which songs the arguments of a command name, and where their stems go."""

import json
import subprocess

import numpy as np
import pytest
import soundfile
from conftest import tiny_prior

from asteroid_instglow import GenerativeSeparator
from asteroid_instglow.audio.io import audio_info, load_audio
from asteroid_instglow.audio.songs import find_songs
from asteroid_instglow.cli import main

RATE = 8000


@pytest.fixture
def music(tmp_path, monkeypatch):
    """Songs in ``music``, of which two have one name, and a folder of stems."""
    monkeypatch.chdir(tmp_path)
    names = ["one.wav", "one.flac", "a/two.wav", "b/two.wav", "b/c/three.wav"]
    names += ["Track1/mixture.wav", "Track1/bass.wav"]
    for i, name in enumerate(names):
        path = tmp_path / "music" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(i)
        soundfile.write(path, 0.1 * rng.standard_normal((RATE // 2, 2)), RATE)
    (tmp_path / "music/notes.txt").touch()
    return tmp_path


@pytest.fixture(scope="module")
def band(tmp_path_factory):
    """A saved separator of bass, drums and vocals."""
    folder = tmp_path_factory.mktemp("models") / "band"
    priors = {name: tiny_prior(name, i) for i, name in enumerate(("bass", "drums", "vocals"))}
    GenerativeSeparator(priors, n_iter=2, wiener=True).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def sure(tmp_path_factory):
    """A saved separator of bass and drums that tells its confidence."""
    folder = tmp_path_factory.mktemp("models") / "sure"
    encoder = {"n_fft": 64, "hop_length": 16, "width": 4}
    two = {n: tiny_prior(n, i, encoder=encoder) for i, n in enumerate(("bass", "drums"))}
    GenerativeSeparator(two).save_pretrained(folder)
    return folder


def tracks(*inputs, output="out"):
    return [song.track for song in find_songs(inputs, output)]


def files(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def separate(capsys, band, *args, code=0):
    options = ["--priors", str(band), "--quiet", "--device", "cpu"]
    assert main(["separate", *map(str, args), *options]) == code
    return capsys.readouterr()


def test_a_folder_keeps_the_paths_of_its_songs(music):
    found = sorted(tracks("music"))
    assert found == ["Track1", "a/two", "b/c/three", "b/two", "one.flac", "one.wav"]


def test_songs_of_one_name_get_their_folders_or_suffixes(music):
    assert tracks("music/a/two.wav", "music/b/two.wav") == ["a/two", "b/two"]
    assert tracks("music/one.wav", "music/one.flac") == ["one.wav", "one.flac"]
    assert tracks("music/one.wav", "music/a/two.wav") == ["one", "two"]
    assert tracks("music/one.wav", music / "music/one.wav") == ["one"]
    assert sorted(tracks("music/*.wav", "music/**/two.wav")) == ["a/two", "b/two", "one"]
    assert [str(s.path) for s in find_songs(["music/one.wav"])] == ["music/one.wav"]
    assert tracks("music/a/two.wav", "music/b/two.wav", output=None) == ["two", "two"]


def test_the_stems_of_before_are_no_songs(music):
    (music / "music/out/one").mkdir(parents=True)
    soundfile.write(music / "music/out/one/bass.wav", np.zeros(100), RATE)
    assert "out/one/bass" not in tracks("music", output="music/out")


def test_inputs_that_name_nothing(music):
    (music / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"no file matches music/\*\.ogg"):
        find_songs(["music/*.ogg"], "out")
    with pytest.raises(FileNotFoundError, match="no audio file in the folder empty"):
        find_songs(["empty"], "out")
    with pytest.raises(ValueError, match="a folder needs --output"):
        find_songs(["music"])


def test_folder_and_template(capsys, music, band):
    separate(capsys, band, "music", "-o", "out", "--name", "{stem}/{track}.{ext}")
    wanted = ["Track1", "a/two", "b/c/three", "b/two", "one.flac", "one.wav"]
    stems = ("bass", "drums", "vocals")
    assert files(music / "out") == sorted(f"{s}/{t}.wav" for s in stems for t in wanted)
    err = separate(capsys, band, "music", "-o", "out", "--name", "{stem}/{track}", code=1).out
    assert err.count("exists: pass --overwrite") == len(wanted)


@pytest.mark.parametrize(
    "name, says",
    [
        ("{track}", "must contain {stem}"),
        ("../{stem}", "must be a path inside"),
        ("{track}/{stem}/", "must be a path inside"),
        ("/{stem}", "must be a path inside"),
        ("{song}/{stem}", "unknown field {song}"),
        ("{stem}", "name must give each song files of its own"),
    ],
)
def test_templates_are_checked(capsys, music, band, name, says):
    out = separate(capsys, band, "music", "-o", "out", "--name", name, code=2)
    assert says in out.err and not (music / "out").exists()


def test_command_and_python_write_the_same_files(capsys, music, band):
    separate(capsys, band, "music/one.wav", "music/Track1/mixture.wav", "-o", "command")
    separator = GenerativeSeparator.from_pretrained(band)
    for song in ("music/one.wav", "music/Track1/mixture.wav"):
        separator.separate(song, "python")
    assert files(music / "command") == files(music / "python")
    for name in files(music / "python"):
        assert (music / "command" / name).read_bytes() == (music / "python" / name).read_bytes()
    separate(capsys, band, "music/a/two.wav")
    assert (music / "music/a/two/bass.wav").is_file()


def test_two_stems_sum_to_the_mixture(capsys, music, band):
    separate(capsys, band, "music/one.wav", "-o", "all", "--subtype", "FLOAT")
    options = ["--two-stems", "vocals", "--subtype", "FLOAT"]
    separate(capsys, band, "music/one.wav", "-o", "two", *options)
    assert files(music / "two") == ["one/no_vocals.wav", "one/vocals.wav"]
    rest = load_audio("two/one/no_vocals.wav")[0]
    others = sum(load_audio(f"all/one/{name}.wav")[0] for name in ("bass", "drums"))
    assert (rest - others).abs().max() < 1e-6
    vocals = load_audio("two/one/vocals.wav")[0]
    assert (vocals == load_audio("all/one/vocals.wav")[0]).all()
    out = separate(capsys, band, "music/one.wav", "-o", "x", "--two-stems", "violin", code=2)
    assert "--two-stems must be out of bass, drums, vocals, got violin" in out.err


def test_sources_are_only_those_written(capsys, music, band):
    separate(capsys, band, "music/one.wav", "-o", "all")
    separate(capsys, band, "music/one.wav", "-o", "one", "--sources", "drums")
    assert files(music / "one") == ["one/drums.wav"]
    assert (music / "one/one/drums.wav").read_bytes() == (music / "all/one/drums.wav").read_bytes()


@pytest.mark.parametrize(
    "rate, kbit, given", [(44100, 320, 320), (44100, 96, 96), (16000, 320, 160)]
)
def test_mp3_bitrate(capsys, music, band, rate, kbit, given):
    noise = 0.1 * np.random.default_rng(0).standard_normal((2 * rate, 2))
    soundfile.write(music / "song.wav", noise, rate)
    separate(capsys, band, "song.wav", "-o", "out", "--mp3-bitrate", kbit)
    path = music / "out/song/bass.mp3"
    seconds = audio_info(path).seconds
    assert path.stat().st_size * 8 / seconds / 1000 == pytest.approx(given, rel=0.1)
    out = separate(capsys, band, "song.wav", "-o", "x", "--mp3-bitrate", "9", code=2)
    assert "--mp3-bitrate must be a whole number of at least 32" in out.err
    flac = ["--mp3-bitrate", "128", "--suffix", ".flac"]
    assert "needs the suffix .mp3" in separate(capsys, band, "song.wav", *flac, code=2).err


def test_jobs(capsys, music, band):
    (music / "music/broken.wav").write_text("no audio")
    separate(capsys, band, "music", "-o", "one", code=1)
    out = separate(capsys, band, "music", "-o", "two", "--jobs", "2", "--json", code=1)
    assert files(music / "one") == files(music / "two")
    for name in files(music / "one"):
        assert (music / "one" / name).read_bytes() == (music / "two" / name).read_bytes()
    assert list(json.loads(out.out)["failed"]) == ["music/broken.wav"]


def test_device(capsys, music, band, monkeypatch):
    import torch

    from asteroid_instglow.utils.devices import pick_device

    song = "music/one.wav"
    options = ["--priors", str(band), "-o", "x"]
    assert main(["separate", song, *options, "--device", "cuda:99"]) == 2
    err = capsys.readouterr().err
    assert "--device 'cuda:99' cannot be used" in err or "device 'cuda:99' cannot be used" in err
    assert main(["separate", song, *options, "--device", "gpu"]) == 2
    assert "--device must be auto, cpu, cuda, cuda:1, mps" in capsys.readouterr().err
    for has, wanted in (((True, True), "cuda"), ((False, True), "mps"), ((False, False), "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda has=has: has[0])
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda has=has: has[1])
        assert pick_device("auto") == torch.device(wanted)


def test_add(capsys, music, band):
    tiny_prior("strings", 7).save_pretrained("priors/strings")
    args = ["add", "violin=priors/strings", "--to", str(band), "-o", "mine"]
    assert main(args) == 0
    assert "mine separates bass, drums, vocals, violin" in capsys.readouterr().out
    separate(capsys, "mine", "music/one.wav", "-o", "saved")
    joined = [str(band), "violin=priors/strings", "--quiet"]
    assert main(["separate", "music/one.wav", "-o", "joined", "--priors", *joined]) == 0
    assert files(music / "saved")[-1] == "one/vocals.wav" and "one/violin.wav" in files(
        music / "saved"
    )
    for name in files(music / "saved"):
        assert (music / "saved" / name).read_bytes() == (music / "joined" / name).read_bytes()
    assert main(args) == 2 and "not empty: pass --overwrite" in capsys.readouterr().err


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_completion(capsys, tmp_path, shell):
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "two-stems" in script
    if shell != "bash":
        return
    ask = "COMP_WORDS=(instglow separate --tw); COMP_CWORD=2; _shtab_instglow; echo ${COMPREPLY[@]}"
    done = subprocess.run(["bash", "-c", f"{script}\n{ask}"], capture_output=True, text=True)
    assert done.stdout.strip() == "--two-stems"


def test_skip_existing_finishes_what_a_killed_process_began(music, band, capsys):
    args = ("music/one.wav", "-o", "out", "--name", "{stem}/{track}")
    separate(capsys, band, *args)
    # As a kill between the second and the third file leaves it.
    stage, last = music / "out/.one.partial", music / "out/vocals/one.wav"
    stage.mkdir()
    whole = last.rename(stage / "vocals.wav").read_bytes()
    (stage / "journal.json").write_text(
        json.dumps({"moves": [[str(stage / "vocals.wav"), str(last)]]})
    )
    told = separate(capsys, band, *args, "--skip-existing")
    assert "skipped" in told.out and last.read_bytes() == whole
    assert files(music / "out") == ["bass/one.wav", "drums/one.wav", "vocals/one.wav"]


def test_a_stage_that_cannot_be_finished_is_the_failure_of_one_song(music, band, capsys):
    (music / "out/.one.partial/lock").mkdir(parents=True)
    (music / "out/.one.partial/journal.json").write_text('{"moves": []}')
    args = ("music/one.wav", "music/a/two.wav", "-o", "out")
    told = separate(capsys, band, *args, code=1)
    assert "failed: music/one.wav" in told.out
    assert [f for f in files(music / "out") if ".partial" not in f] == [
        f"two/{name}.wav" for name in ("bass", "drums", "vocals")
    ]


def test_the_picture_of_the_confidence_replaces_no_other(music, capsys, tmp_path, sure):
    picture = tmp_path / "out" / "one" / "confidence.png"
    picture.parent.mkdir(parents=True)
    picture.write_text("mine")
    args = ("music/one.wav", "-o", "out", "--confidence")
    told = separate(capsys, sure, *args, code=2)
    assert "confidence.png exists: pass --overwrite" in told.err
    assert files(tmp_path / "out") == ["one/confidence.png"] and picture.read_text() == "mine"
    separate(capsys, sure, *args, "--overwrite")
    assert picture.read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("name", ["{track}/{stem}", "{stem}/{track}", "{track} ({stem})"])
def test_the_confidence_of_stems_goes_with_them(music, capsys, tmp_path, sure, name):
    args = (sure, "music/one.wav", "-o", "out", "--name", name)
    separate(capsys, *args, "--confidence")
    assert len(files(tmp_path / "out")) == 4
    separate(capsys, *args, "--overwrite")
    left = files(tmp_path / "out")
    assert len(left) == 2 and "confidence" not in "".join(left)
    # What is not ours stays.
    told = json.loads(separate(capsys, *args, "--overwrite", "--confidence", "--json").out)
    (told,) = told["files"].values()
    for kind in ("confidence", "confidence picture"):
        (music / told[kind]).write_text("mine")
    separate(capsys, *args, "--overwrite")
    assert len(files(tmp_path / "out")) == 4


def test_a_folder_in_the_place_of_the_picture_stays(music, capsys, tmp_path, sure):
    (tmp_path / "out/one/confidence.png").mkdir(parents=True)
    args = ("music/one.wav", "-o", "out", "--confidence", "--overwrite")
    assert "is a folder" in separate(capsys, sure, *args, code=2).err
    assert files(tmp_path / "out") == []
