"""Writes the configuration of an experiment: a conf.yml, with some values changed.

    conf.py local/conf.yml --set "training.n_steps=2000 separation.solver=auto" -o exp/tag/conf.yml

Prints, for a shell, the sources to be trained and those to be separated. Needs no torch, so that a
mistake shows at once.
"""

import argparse
import os
import shlex
import sys

import yaml


def read_conf(path, changes):
    """The configuration; a mistake ends the program."""
    try:
        with open(path, encoding="utf-8") as file:
            conf = yaml.safe_load(file)
    except (OSError, yaml.YAMLError) as error:
        sys.exit(f"conf must be a YAML file: {error}")
    if not isinstance(conf, dict) or not all(isinstance(part, dict) for part in conf.values()):
        sys.exit(f"conf must have two levels, sections and arguments: {path}")
    for change in shlex.split(changes):
        key, equals, value = change.partition("=")
        section, _, name = key.partition(".")
        if not equals or name not in conf.get(section, {}):
            known = " ".join(f"{s}.{n}" for s, part in conf.items() for n in part)
            sys.exit(f"set must be section.name=value of {known}, got {change!r}")
        conf[section][name] = yaml.safe_load(value)
    return conf


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("conf")
    parser.add_argument("--set", default="", metavar="'section.name=value ...'")
    parser.add_argument("--sources", default="", help="to be trained; by default all")
    parser.add_argument("-o", "--output", required=True)
    args = parser.parse_args()
    conf = read_conf(args.conf, args.set)
    prepared, separated = conf["data"]["sources"], conf["evaluation"]["sources"]
    trained = args.sources.replace(",", " ").split() or prepared
    for name, sources in (("sources", trained), ("evaluation.sources", separated)):
        if not sources or not set(sources) <= set(prepared):
            sys.exit(f"{name} must be of data.sources {', '.join(prepared)}, got {sources}")
    os.makedirs(os.path.dirname(os.path.abspath(args.output)), exist_ok=True)
    with open(args.output + ".tmp", "w", encoding="utf-8") as file:
        yaml.safe_dump(conf, file, sort_keys=False, allow_unicode=True, default_flow_style=None)
    os.replace(args.output + ".tmp", args.output)
    for name, values in (("sources", trained), ("test_sources", separated)):
        print(f"{name}={shlex.quote(' '.join(values))}")


if __name__ == "__main__":
    main()
