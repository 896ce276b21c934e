"""The door of ``gcsa folder.from_sfm``: :mod:`gcsa.datasets.folder.from_sfm`."""

from gcsa.datasets.folder.from_sfm import main, parser
from gcsa.errors import run_program

__all__ = ["main", "parser"]

if __name__ == "__main__":
    run_program(main)
