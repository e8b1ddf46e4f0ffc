"""``instglow app``: the separator as a page in the browser."""

import argparse
import functools
import sys
from pathlib import Path
from typing import Any

from .models import add_device_argument

HELP = "separate and mix songs in the browser"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument(
        "--priors",
        nargs="+",
        metavar="DIR|NAME=DIR",
        help="the set to begin with, as for separate (default: those that ship with the package)",
    )
    parser.add_argument("--residual", action="store_true", help="add what no prior explains")
    add_device_argument(parser)
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0: reachable from elsewhere")
    parser.add_argument("--port", type=int, help="default: the first free one from 7860 on")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="keep the stems (default: until the end)"
    )
    parser.add_argument("--browser", action="store_true", help="open the page")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Serves the page until it is interrupted."""
    from ..utils.extras import check_installed

    check_installed("gradio")
    from ..app import Studio
    from ..app.page import serve
    from ..utils.files import scratch_folder
    from ..weights.config import shipped_names
    from .errors import explain
    from .songs import load_on_device

    load = functools.partial(load_on_device, residual=args.residual, device=args.device)
    sets = [args.priors] if args.priors else []
    sets += [[name] for name in shipped_names() if [name] not in sets]
    tell = functools.partial(explain, parser=args.parser)
    with scratch_folder() as temporary:
        studio = Studio(args.output or temporary, load, sets)
        page = serve(studio, args.host, args.port, args.browser, tell)
        try:
            sys.stderr.write(f"The app is at {page.local_url} (Ctrl-C ends it)\n")
            wait()
        finally:
            page.close(verbose=False)
    return {"address": page.local_url}


def wait() -> None:
    """Waits for Ctrl-C or SIGTERM."""
    import signal
    import threading

    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    try:
        ended.wait()
    except KeyboardInterrupt:
        sys.stderr.write("\n")


def describe(answer: dict[str, Any]) -> str:
    """Reports the address that the app had."""
    return f"The app was at {answer['address']}"
