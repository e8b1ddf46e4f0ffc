"""Brings recorded solos into the pool: `sampler_recorded.py SOURCE_FOLDER POOL/GROUP/SOURCE`.

Reads every audio file below the folder whose name matches `--match`; with `--speeds`, adds copies
played slower or faster (pitch and tempo), such as another guitar or tuning.
"""

import argparse
import logging
from pathlib import Path

import numpy as np
import soundfile as sf
from pool_licences import write_licences
from sampler_pool import to_pool_rate, write_solo

logger = logging.getLogger("sampler_recorded")


def main():
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path, help="folder of recordings")
    parser.add_argument("out", type=Path, help="<pool>/<group>/<source>")
    parser.add_argument("--match", default="*.ogg", help="pattern of the files' names")
    parser.add_argument(
        "--speeds", type=float, nargs="*", default=[], help="factors of further copies"
    )
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO)
    for path in sorted(args.source.rglob(args.match)):
        wav, rate = sf.read(path, always_2d=True)
        wav = to_pool_rate(wav.mean(axis=1), rate)
        stem = (path.parent.name + "_" + path.stem).replace(" ", "_").lower()
        total = write_solo(wav, 22050, args.out, stem)
        for speed in args.speeds:
            at = np.arange(0, len(wav) - 1, speed)
            copy = np.interp(at, np.arange(len(wav)), wav)
            total += write_solo(copy, 22050, args.out, f"{stem}_x{speed}")
        logger.info("%s: %.0f s", stem, total)
    write_licences(args.out.parents[1], args.out.parent.name)


if __name__ == "__main__":
    main()
