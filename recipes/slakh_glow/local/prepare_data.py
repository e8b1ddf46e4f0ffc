"""Stage 0: Slakh2100's sub-mixes, to pieces for training and whole tracks for testing."""

import argparse
from pathlib import Path

from asteroid_instglow.data.corpora.slakh import slakh_tracks
from asteroid_instglow.recipes.stage import prepare_stage


def list_tracks(args, dataset):
    return slakh_tracks(args.slakh, split_file=args.split_file, **dataset)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slakh", type=Path, required=True, help="folder of the data set")
    parser.add_argument("--split_file", type=Path, help="redux.json or splits_v2.json")
    prepare_stage(parser, list_tracks)
