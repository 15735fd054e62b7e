"""The commands of `python -m release`; `make image`, `make sbom` and `make notice` run them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from release import image, materials


def main() -> None:
    """Run one command."""
    parser = argparse.ArgumentParser(prog="python -m release", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    normalise = commands.add_parser(
        "image", help="take out of a built image what differs from build to build"
    )
    normalise.add_argument("image", help="its name; it is replaced")
    normalise.add_argument("--base", required=True, help="the base image, whose layers stay as they are")
    normalise.add_argument(
        "--epoch", type=int, required=True, help="the time that everything gets, in seconds"
    )
    commands.add_parser("sbom", help="print a CycloneDX bill of materials").add_argument("uv", type=Path)
    commands.add_parser("notice", help="print the licences of what is shipped").add_argument("uv", type=Path)
    options = parser.parse_args()
    match options.command:
        case "image":
            print(image.replace(options.image, base=options.base, epoch=options.epoch))
        case "sbom":
            sys.stdout.write(materials.sbom(options.uv))
        case _:
            sys.stdout.write(materials.notice(options.uv))


if __name__ == "__main__":
    main()
