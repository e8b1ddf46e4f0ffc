"""Writes the configuration of an experiment: a conf.yml, with some values changed.

    conf.py local/conf.yml --set "training.n_steps=2000 separation.solver=auto" -o new.yml

With --before, the file of an earlier run, stages that are not run keep what they had there. Prints,
for a shell, the sources to be trained, those whose encoders learn together, and those to be
separated. Needs no torch, so that a mistake shows at once.
"""

import argparse
import glob
import os
import shlex
import sys

import yaml

# Which sections each stage reads.
STAGES = {
    0: ("dataset", "data"),
    1: ("model", "training", "encoder_model", "pretrain", "encoder_training", "others"),
    2: ("separation", "evaluation"),
    3: ("publishing",),
}
# What is in the experiment's folder once a stage has begun; stage 0 writes elsewhere.
LEFT = {0: "", 1: "checkpoints", 2: "estimates", 3: "publish_dir"}
# What stage 1 goes on from with the same arguments only, save some.
RUNS = {
    "prior": ("model", "training"),
    "joint": ("encoder_model", "pretrain"),
    "encoder": ("encoder_model", "encoder_training"),
}
MAY_CHANGE = {
    "prior": ("n_steps", "val_every", "keep", "num_workers"),
    "joint": ("val_every", "num_workers"),
    "encoder": ("val_every", "num_workers"),
}


def read_conf(path):
    """The configuration in a file; a mistake ends the program."""
    try:
        with open(path, encoding="utf-8") as file:
            conf = yaml.safe_load(file)
    except (OSError, yaml.YAMLError) as error:
        sys.exit(f"conf must be a YAML file: {' '.join(str(error).split())}")
    if not isinstance(conf, dict) or not all(isinstance(part, dict) for part in conf.values()):
        sys.exit(f"conf must have two levels, sections and arguments: {path}")
    wanted = [name for sections in STAGES.values() for name in sections]
    if set(conf) != set(wanted):
        sys.exit(f"conf must have the sections {', '.join(wanted)}, {path} has {', '.join(conf)}")
    return conf


def change(conf, changes):
    """Sets values in place, as they are written on the command line."""
    try:
        changes = shlex.split(changes)
    except ValueError as error:
        sys.exit(f"set must be section.name=value ..., got {changes!r}: {error}")
    for text in changes:
        key, equals, value = text.partition("=")
        section, _, name = key.partition(".")
        if not equals or name not in conf.get(section, {}):
            known = " ".join(f"{s}.{n}" for s, part in conf.items() for n in part)
            sys.exit(f"set must be section.name=value of {known}, got {text!r}")
        try:
            conf[section][name] = yaml.safe_load(value)
        except yaml.YAMLError:
            sys.exit(f"set must be section.name=value with a YAML value, got {text!r}")


def keep(conf, path, stages):
    """Takes the sections of the other stages from an earlier run's file, if there is one.

    Trainings that this run would go on with must have begun with the same arguments.
    """
    if not os.path.isfile(path):
        return
    before, exp = read_conf(path), os.path.dirname(path)
    begun = [k for k in STAGES if k not in stages and os.path.exists(os.path.join(exp, LEFT[k]))]
    others = [name for stage in begun for name in STAGES[stage]]
    differ = [name for name in others if conf[name] != before[name]]
    conf.update({name: before[name] for name in differ})
    if differ:
        print(f"{path} keeps its {', '.join(differ)}: that stage is not run", file=sys.stderr)
    for run, sections in RUNS.items():
        if not glob.glob(f"{glob.escape(exp)}/checkpoints/*/{run}/last.ckpt"):
            continue
        for section, name in ((s, n) for s in sections for n in before[s]):
            if name not in MAY_CHANGE[run] and conf[section].get(name) != before[section][name]:
                sys.exit(
                    f"{section}.{name} must be {before[section][name]} as {path} says, got "
                    f"{conf[section].get(name)}: --set it again, or give another --tag"
                )


def joint_sources(conf, trained):
    """The sources whose encoders learn together; a mistake ends the program.

    Others get an encoder if encoder_training has steps; a notice tells which do not.
    """
    if not conf["pretrain"]["n_steps"]:
        return []
    joint, prepared = conf["pretrain"]["sources"], conf["data"]["sources"]
    if len(set(joint)) < 2 or not set(joint) <= set(prepared):
        sys.exit(
            f"pretrain.sources must be two or more of data.sources {', '.join(prepared)}, "
            f"got {joint}"
        )
    new = [name for name in trained if name not in joint]
    if new and not conf["encoder_training"]["n_steps"]:
        print(
            f"{', '.join(new)}: no encoder, for pretrain.sources are {', '.join(joint)} "
            "(encoder_training.n_steps=2000 trains one)",
            file=sys.stderr,
        )
    return joint


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("conf")
    parser.add_argument("--set", default="", metavar="'section.name=value ...'")
    parser.add_argument("--sources", default="", help="to be trained; by default all")
    parser.add_argument("--stages", type=int, nargs=2, default=(0, 3), help="first and last")
    parser.add_argument("--before", default="", help="configuration of an earlier run, if any")
    parser.add_argument("-o", "--output", required=True)
    args = parser.parse_args()
    conf = read_conf(args.conf)
    change(conf, args.set)
    stages = range(args.stages[0], args.stages[1] + 1)
    keep(conf, args.before, stages)
    prepared, separated = conf["data"]["sources"], conf["evaluation"]["sources"]
    trained = args.sources.replace(",", " ").split() or prepared
    for name, sources in (("sources", trained), ("evaluation.sources", separated)):
        if not sources or not set(sources) <= set(prepared):
            sys.exit(f"{name} must be of data.sources {', '.join(prepared)}, got {sources}")
    rates = [conf[section]["sample_rate"] for section in ("data", "model")]
    if 1 in stages and rates[1] > rates[0]:
        sys.exit("model.sample_rate must be at most data.sample_rate {}, got {}".format(*rates))
    joint = joint_sources(conf, trained) if 1 in stages else []
    with open(args.output, "w", encoding="utf-8") as file:
        yaml.safe_dump(conf, file, sort_keys=False, allow_unicode=True, default_flow_style=None)
    for name, values in (
        ("sources", trained),
        ("joint_sources", joint),
        ("test_sources", separated),
    ):
        print(f"{name}={shlex.quote(' '.join(values))}")


if __name__ == "__main__":
    main()
