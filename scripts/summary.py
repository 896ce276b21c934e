"""Put the reports of the quick start side by side: summary.json, and a table on screen."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from gcsa.errors import MissingFileError, run_program
from gcsa.files import write_text
from gcsa.scoring.report import gist, table

# The rules without a network stand beside the network, which any figure must be held against.
ROWS = {
    "none": "no re-ranking",
    "neighbours": "neighbours of the first",
    "neighbours-overlap": "neighbours of the first",
    "gcsa": "GCSA, trained",
    "posterior": "posterior, untrained",
}
NEEDED = ("none", "gcsa")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("outputs", type=Path, help="folder with none.json, gcsa.json, ...")
    parser.add_argument("--prefix", default="", help="of the names of these files")
    parser.add_argument("--seconds", type=int, required=True, help="what the quick start took")
    args = parser.parse_args()
    paths = {name: args.outputs / f"{args.prefix}{name}.json" for name in ROWS}
    for name in NEEDED:
        if not paths[name].is_file():
            text = f"{paths[name]}: no such report; bash scripts/quickstart.sh writes it"
            raise MissingFileError(text)
    found = {name: path for name, path in paths.items() if path.is_file()}
    reports = {name: json.loads(path.read_text()) for name, path in found.items()}
    metrics = {name: report["metrics"] for name, report in reports.items()}
    summary = json.dumps({**metrics, "seconds": args.seconds}, indent=2)
    write_text(args.outputs / f"{args.prefix}summary.json", summary + "\n")
    print(f"\n{gist(reports['gcsa'])}; {args.seconds} seconds in all\n")
    print(table({ROWS[name]: report for name, report in reports.items()}))


if __name__ == "__main__":
    run_program(main)
