"""The command ``gcsa PROGRAM ...``, which is ``python -m gcsa.PROGRAM ...``."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import sys
from types import ModuleType

from gcsa import __version__
from gcsa.errors import InputError, nearest, run_program

# In the order of use; the one table of programs.
PROGRAMS = {
    "miniworld": "draw a small synthetic city, to try things out",
    "miniworld.building": "draw small synthetic buildings, with WiFi and Bluetooth",
    "folder.from_exif": "describe own photos by their EXIF: images.csv",
    "folder.from_sfm": "describe own photos by a reconstruction: images.csv",
    "folder.describe": "descriptors of own photos, for trying out",
    "photos": "say where own photos were taken, by others, in one command",
    "extract": "descriptors of photos, by any published network",
    "reduce": "make descriptors shorter, and see what that costs",
    "match": "local features of photos, and matches of pairs",
    "datasets.landmarks.convert": "convert feature files of landmark data sets",
    "lamar.labels": "compute which candidates of LaMAR's queries are positive",
    "export": "write scenes in a layout that other tools read",
    "train": "train a network",
    "calibrate": "what the posterior needs of a data set, found without labels, in words",
    "evaluate": "measure the first round, or a checkpoint",
    "benchmark": "compare re-rankers: quality, time, memory",
    "locate": "say where queries were taken: GeoJSON, CSV, a map",
    "serve": "answer where photos were taken, over HTTP, with a page to drop them on",
    "report": "look at what a run does to single queries, in HTML",
    "rerank": "re-rank own descriptors or distance matrices",
    "pairs": "write pairs files for hloc, re-ranked",
    "pairs_from_poses": "write pairs files for hloc, by camera poses",
    "localize": "place photos in a map of photos, by local features",
    "lamar.localize": "locate LaMAR's queries, before and after re-ranking",
    "msls.test": "write the file of the MSLS challenge",
}


def find(name: str) -> ModuleType:
    """The module of a program, with its ``parser`` and its ``main``."""
    if name not in PROGRAMS:
        raise InputError(f"no program '{name}'{nearest(name, PROGRAMS)}")
    module = f"{__package__}.{name}"
    spec = importlib.util.find_spec(module)
    is_folder = spec is not None and spec.submodule_search_locations is not None
    return importlib.import_module(f"{module}.__main__" if is_folder else module)


def parser(*loaded: str) -> argparse.ArgumentParser:
    """The parser of ``gcsa`` itself; of the programs ``loaded`` with their options."""
    width = max(map(len, PROGRAMS)) + 2
    lines = [f"  {name:{width}}{what}" for name, what in PROGRAMS.items()]
    made = argparse.ArgumentParser(
        prog="gcsa",
        usage="gcsa PROGRAM ... | --version",
        description="Visual place recognition: re-ranking with side information.",
        epilog="\n".join(["programs:", *lines, "", "gcsa PROGRAM --help has a program's options."]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--version", action="version", version=f"gcsa {__version__}")
    programs = made.add_subparsers(dest="program", metavar="PROGRAM", help=argparse.SUPPRESS)
    for name in PROGRAMS:
        options = [find(name).parser()] if name in loaded else []
        programs.add_parser(name, parents=options, add_help=not options)
    return made


def main() -> None:
    if "_ARGCOMPLETE" in os.environ:
        _complete()
    words = sys.argv[1:]
    if not words:
        parser().print_help()
    elif words[0].startswith("-"):
        parser().parse_args(words)
    else:
        program = find(words[0])
        sys.argv = [f"gcsa {words[0]}", *words[1:]]
        program.main()


def _complete() -> None:
    """Answer the shell, which asks through argcomplete how the line that is typed may go on."""
    import argcomplete

    typed = os.environ.get("COMP_LINE", "").split()[1:2]
    argcomplete.autocomplete(parser(*(name for name in typed if name in PROGRAMS)))


def run() -> None:
    """The console command."""
    run_program(main)


if __name__ == "__main__":
    run()
