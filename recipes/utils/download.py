"""Stage -1: fetches the archive of a data set, checks and unpacks it."""

import argparse
import sys
from pathlib import Path

from asteroid_instglow.data.corpora import musdb, slakh
from asteroid_instglow.data.corpora.download import download
from asteroid_instglow.recipes.stage import one_line_errors, show_notices

ARCHIVES = {"musdb": musdb.ARCHIVES, "slakh": slakh.ARCHIVES}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", choices=ARCHIVES)
    parser.add_argument("version")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--url", default="", help="instead of the official one")
    parser.add_argument("--checksum", default="", help='"md5:..." or "sha256:..."')
    args = parser.parse_args()
    archive = ARCHIVES[args.dataset][args.version]
    if args.url:
        archive = archive._replace(url=args.url, size=None, checksum=None, unpacked_size=0)
        if not args.checksum:
            print("what comes from another url without a checksum is not checked", file=sys.stderr)
    if args.checksum:
        archive = archive._replace(checksum=args.checksum)
    with one_line_errors():
        download(archive, args.output, progress=show_notices())
