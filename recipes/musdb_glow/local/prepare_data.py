"""Stage 0: MUSDB18, or any folder of stems, to pieces for training and whole tracks for testing."""

import argparse
from pathlib import Path

from asteroid_instglow.data.corpora.musdb import musdb_tracks
from asteroid_instglow.data.corpora.stem_folders import stem_folder_tracks
from asteroid_instglow.recipes.stage import prepare_stage


def list_tracks(args, dataset):
    return musdb_tracks(args.musdb) if args.musdb else stem_folder_tracks(args.stems, **dataset)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    root = parser.add_mutually_exclusive_group(required=True)
    root.add_argument("--musdb", type=Path, help="folder with train/ and test/")
    root.add_argument("--stems", type=Path, help="folder with a folder for each source")
    prepare_stage(parser, list_tracks)
