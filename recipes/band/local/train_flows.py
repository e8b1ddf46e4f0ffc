"""Trains the flow of each source on the groups and weights of a plan.

Example:
    python train_flows.py plan.yml --pool data/pool --out exp/band/flows
"""

import argparse
from pathlib import Path

import yaml

from asteroid_instglow.training.prior import train_prior

# Small, as those that ship with the package: the encoders do most of the work.
FLOW = {"n_blocks": 4, "hidden": 64}
TRAINING = {"n_steps": 300, "val_every": 100, "lr": 5e-4, "gain_db": (-6, 6), "ema": 0.99}


def read_folders(plan, source, pool):
    """Finds the groups of a pool that a plan draws solos of a source from.

    Args:
        plan (dict): Plan; its first job names the groups and their weights.
        source (str): Name of the source.
        pool (pathlib.Path): Pool of solos.

    Returns:
        dict: Folder of each group that holds the source, to its weight.

    Raises:
        FileNotFoundError: If there is no such group.
    """
    groups = plan["jobs"][0]["solos"][source]
    found = {
        pool / name: weight for name, weight in groups.items() if (pool / name / source).is_dir()
    }
    if not found:
        raise FileNotFoundError(f"{pool} must hold solos of {source} (<group>/{source}/), got none")
    return found


def main():
    """Runs the command line; flows that are finished are left as they are."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("plan", type=Path, help="plan.yml")
    parser.add_argument("--pool", type=Path, required=True, help="<group>/<source>/*.ogg")
    parser.add_argument("--out", type=Path, required=True, help="folder of the priors")
    parser.add_argument("--n-steps", type=int, default=TRAINING["n_steps"], help="training steps")
    args = parser.parse_args()
    plan = yaml.safe_load(args.plan.read_text())
    training = {**TRAINING, "keep": "last", "n_steps": args.n_steps}
    for source in plan["jobs"][0]["sources"]:
        folders = read_folders(plan, source, args.pool)
        train_prior(source, folders, args.out / source, model=FLOW, **training)


if __name__ == "__main__":
    main()
