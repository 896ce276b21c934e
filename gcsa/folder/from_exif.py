"""The door of ``gcsa folder.from_exif``: :mod:`gcsa.datasets.folder.from_exif`."""

from gcsa.datasets.folder.from_exif import main, parser
from gcsa.errors import run_program

__all__ = ["main", "parser"]

if __name__ == "__main__":
    run_program(main)
