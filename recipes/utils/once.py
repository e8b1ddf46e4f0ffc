"""Runs a command, unless it has run with the same configuration and what it made is still there.

    once.py MARKER --conf conf.yml --sections data --values /data/musdb --inputs manifest.json \
        --outputs data/test -- python local/prepare_data.py ...

The marker holds a digest of the sections of the configuration, the values and the content of the
inputs, and the state of the outputs: the digest of a file, number and size of the files in a folder
(hidden ones aside).
Imports no torch: what is done is skipped in a moment.
"""

import argparse
import json
import os
import signal
import subprocess
import sys

import yaml

from asteroid_instglow.utils.files import digest, hash_file, write_json


def state(path):
    """What a file or folder is now; None if it is not there, or a link in it leads nowhere."""
    if os.path.isfile(path):
        return hash_file(path)
    if not os.path.isdir(path):
        return None
    try:
        sizes = [
            os.path.getsize(os.path.join(folder, name))
            for folder, _, names in os.walk(path, followlinks=True)
            for name in names
            if not name.startswith(".")
        ]
    except FileNotFoundError:
        return None
    return [len(sizes), sum(sizes)]


def configuration(args):
    """Digest of all that decides what the command would make."""
    content = {"values": args.values, "sections": {}, "inputs": []}
    if args.sections:
        with open(args.conf, encoding="utf-8") as file:
            conf = yaml.safe_load(file)
        for name in args.sections:
            if name not in conf:
                sys.exit(f"{args.conf} must have a section {name}, it has {', '.join(conf)}")
            content["sections"][name] = conf[name]
    for path in args.inputs:
        if not os.path.isfile(path):
            sys.exit(f"there is no {path}: run the stage that makes it first")
        content["inputs"].append(hash_file(path))
    return digest(content)


def is_done(marker, configured, outputs):
    if not os.path.isfile(marker):
        return False
    with open(marker, encoding="utf-8") as file:
        try:
            before = json.load(file)
        except ValueError:
            return False
    if before.get("configuration") != configured:
        return False
    return before.get("outputs") == {path: state(path) for path in outputs}


def run(command):
    """Exit code of the command; Ctrl-C is for it to handle, it may have things to save."""
    process = subprocess.Popen(command)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: process.terminate())
    code = process.wait()
    return 128 - code if code < 0 else code


def main():
    if "--" not in sys.argv:
        sys.exit("the command must follow after --")
    middle = sys.argv.index("--")
    own, command = sys.argv[1:middle], sys.argv[middle + 1 :]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("marker")
    parser.add_argument("--conf")
    for name in ("sections", "values", "inputs", "outputs"):
        parser.add_argument(f"--{name}", nargs="*", default=[])
    args = parser.parse_args(own)
    configured = configuration(args)
    name = os.path.basename(args.marker).lstrip(".")
    if is_done(args.marker, configured, args.outputs):
        print(f"{name}: done already", flush=True)
        return 0
    print(f"{name}: begins", flush=True)
    if os.path.exists(args.marker):
        os.remove(args.marker)
    if code := run(command):
        print(f"{name}: failed; mend what it says and run this again", file=sys.stderr)
        return code
    outputs = {path: state(path) for path in args.outputs}
    if None in outputs.values():
        lacking = ", ".join(path for path, there in outputs.items() if there is None)
        sys.exit(f"{name}: it has not made {lacking}")
    write_json(args.marker, {"configuration": configured, "outputs": outputs})
    return 0


if __name__ == "__main__":
    sys.exit(main())
