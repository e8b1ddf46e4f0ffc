"""Stage 0: MUSDB18, or any folder of stems, to pieces for training and whole tracks for testing."""

import argparse
from pathlib import Path

import yaml

from asteroid_instglow.data.corpora.manifest import MANIFEST, describe
from asteroid_instglow.data.corpora.musdb import musdb_tracks
from asteroid_instglow.data.corpora.prepare import prepare
from asteroid_instglow.data.corpora.stem_folders import stem_folder_tracks
from asteroid_instglow.recipes.stage import one_line_errors, show_notices

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    root = parser.add_mutually_exclusive_group(required=True)
    root.add_argument("--musdb", type=Path, help="folder with train/ and test/")
    root.add_argument("--stems", type=Path, help="folder with a folder for each source")
    parser.add_argument("--conf", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    args = parser.parse_args()
    conf = yaml.safe_load(args.conf.read_text(encoding="utf-8"))
    with one_line_errors():
        if args.stems is None:
            tracks = musdb_tracks(args.musdb)
        else:
            tracks = stem_folder_tracks(args.stems, **conf["dataset"])
        manifest = prepare(
            tracks, args.output, jobs=args.jobs, progress=show_notices(), **conf["data"]
        )
    print(describe(manifest), f"{args.output / MANIFEST} names them", sep="\n")
