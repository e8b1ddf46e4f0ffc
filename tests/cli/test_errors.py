"""Whatever goes wrong is one line in the words of the command line, and a non-zero exit code."""

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
import yaml
from conftest import tiny_prior
from safetensors import SafetensorError

from asteroid_instglow.cli import main
from asteroid_instglow.cli.errors import explain
from asteroid_instglow.cli.main import COMMANDS, build_parser


@pytest.mark.parametrize(
    "error",
    [
        *(
            MemoryError(),
            RuntimeError("x"),
            KeyError("steps"),
            ZeroDivisionError("division by zero"),
        ),
        *(OverflowError("int too large"), yaml.YAMLError("a\nb"), IndexError("list index")),
        *(ModuleNotFoundError("No module named 'a'", name="a"), SafetensorError("header")),
        *(AssertionError("Torch not compiled with CUDA enabled"), RecursionError("deep")),
        UnicodeEncodeError("ascii", "é", 0, 1, "ordinal not in range"),
        FileNotFoundError(2, "No such file or directory", "a.wav"),
        Exception(),
    ],
    ids=repr,
)
def test_every_failure_is_one_line(error, tmp_path, monkeypatch, capsys):
    def fail(args):
        raise error

    monkeypatch.setattr("asteroid_instglow.cli.list.run", fail)
    assert main(["list"]) == 2
    out, text = capsys.readouterr()
    assert not out and text.startswith("instglow: error: ") and text.count("\n") == 1
    assert "Traceback" not in text and len(text) > len("instglow: error: \n")
    with pytest.raises(type(error)):
        main(["list", "--debug"])


def test_an_error_in_a_thread_is_one_line_too(monkeypatch, capsys):
    def fail():
        raise OSError(28, "No space left on device", "events")

    def work(args):
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
        return {"shipped": [], "folders": []}

    before = threading.excepthook
    monkeypatch.setattr("asteroid_instglow.cli.list.run", work)
    assert main(["list"]) == 0
    assert capsys.readouterr().err == "instglow: warning: events: No space left on device\n"
    assert threading.excepthook is before


@pytest.mark.parametrize(
    "number, code, told", [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_a_signal_ends_a_command_that_cleans_up(number, code, told, monkeypatch, capsys):
    cleaned = []

    class Swallows:
        def __del__(self):
            os.kill(os.getpid(), number)
            time.sleep(0.1)

    def work(args):
        try:
            Swallows()
            time.sleep(5)
        finally:
            if number == signal.SIGTERM:  # which comes to the group, too
                os.kill(os.getpid(), number)
            cleaned.append(True)

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr("asteroid_instglow.cli.list.run", work)
    assert main(["list"]) == code
    assert cleaned and capsys.readouterr().err == f"instglow: {told}\n"
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize(
    "text, shown",
    [
        ("a.wav exists: pass force_overwrite to replace it", "a.wav exists: pass --overwrite to"),
        ("n_iter must be at least 1, got 0", "--n-iter must be at least 1"),
        ("chunk must be above 0, got inf", "--chunk must be above 0"),
        ("overlap must be at most half of chunk = 1 s", "--overlap must be at most half of chunk"),
        ("priors: the name 'residual' is kept", "--priors: the name"),
        ("a has no config.json: it is no prior", "a has no config.json: it"),
        ("there is no folder of seed", "there is no folder of seed"),
        ("wiener must not be False", "--wiener must not be False"),
    ],
)
def test_messages_name_the_option(text, shown):
    (actions,) = (a for a in build_parser()._actions if a.dest == "command")
    assert shown in explain(ValueError(text), actions.choices["separate"])


def run(code, **options):
    command = [sys.executable, "-c", f"import sys; {code}"]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)


def test_help_and_version_import_neither_torch_nor_asteroid():
    code = """
from asteroid_instglow.cli import main
try:
    main(sys.argv[1:])
finally:
    sys.stderr.write(str([m for m in ("torch", "asteroid", "numpy") if m in sys.modules]))
"""
    for args in (["--help"], ["--version"], ["list"], ["separate", "--help"]):
        done = subprocess.run(
            [sys.executable, "-c", f"import sys\n{code}", *args], capture_output=True
        )
        assert done.returncode == 0 and done.stderr == b"[]", (args, done.stderr)
    assert b"--n-iter" in done.stdout


def test_the_reader_of_the_output_may_leave():
    code = "from asteroid_instglow.cli import main; sys.exit(main(['list']))"
    done = subprocess.run(
        f'{sys.executable} -c "import sys; {code}" | true', shell=True, capture_output=True
    )
    assert not done.stderr


def test_names_that_the_terminal_cannot_show(tmp_path):
    tiny_prior("bass", n_blocks=1).save_pretrained(tmp_path / "ピアノ")
    code = f"from asteroid_instglow.cli import main; sys.exit(main(['list', {str(tmp_path)!r}]))"
    done = run(code, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0, done.stderr
    assert "\\u30d4" in done.stdout


def test_list(tmp_path, capsys, monkeypatch):
    card = {"license": "cc0-1.0", "results": {"bass": {"SDR (dB)": 5.25}}}
    tiny_prior("bass", n_blocks=1).save_pretrained(tmp_path / "priors" / "bass", card=card)
    tiny_prior("x", n_blocks=1).save_pretrained(tmp_path / ".hidden")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.json").write_text('{"model_type": "bert"}')
    monkeypatch.chdir(tmp_path)
    assert main(["list", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [model["name"] for model in answer["folders"]] == ["priors/bass"]
    assert "minislakh" in [model["name"] for model in answer["shipped"]]
    assert main(["list"]) == 0
    assert "priors/bass  bass; cc0-1.0; SDR (dB) 5.25" in capsys.readouterr().out
    assert main(["list", "none"]) == 2


def test_every_command_has_help():
    for name in COMMANDS:
        with pytest.raises(SystemExit) as caught, pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "stdout", io.StringIO())
            main([name, "--help"])
        assert caught.value.code == 0
