"""Stage 0: Slakh2100's sub-mixes, to pieces for training and whole tracks for testing."""

import argparse
from pathlib import Path

import yaml

from asteroid_instglow.data.corpora.manifest import MANIFEST, describe
from asteroid_instglow.data.corpora.prepare import prepare
from asteroid_instglow.data.corpora.slakh import slakh_tracks
from asteroid_instglow.recipes.stage import one_line_errors, show_notices

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slakh", type=Path, required=True, help="folder of the data set")
    parser.add_argument("--split_file", type=Path, help="redux.json or splits_v2.json")
    parser.add_argument("--conf", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    args = parser.parse_args()
    conf = yaml.safe_load(args.conf.read_text(encoding="utf-8"))
    with one_line_errors():
        tracks = slakh_tracks(args.slakh, split_file=args.split_file, **conf["dataset"])
        manifest = prepare(
            tracks, args.output, jobs=args.jobs, progress=show_notices(), **conf["data"]
        )
    print(describe(manifest), f"{args.output / MANIFEST} names them", sep="\n")
