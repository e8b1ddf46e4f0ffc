"""Calls of the instglow command."""

from asteroid_instglow.cli import main


def run(capsys, *args):
    code = main([str(arg) for arg in args])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def check_mistake(capsys, *args, says):
    """One clear line on stderr, no traceback, exit code 2."""
    code, out, err = run(capsys, *args)
    lines = [line for line in err.splitlines() if line]
    assert code == 2 and not out
    assert len(lines) == 1 and lines[0].startswith("instglow: error: "), err
    for text in [says] if isinstance(says, str) else says:
        assert text in lines[0]
