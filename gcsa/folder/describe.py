"""The door of ``gcsa folder.describe``: :mod:`gcsa.datasets.folder.describe`."""

from gcsa.datasets.folder.describe import main, parser
from gcsa.errors import run_program

__all__ = ["main", "parser"]

if __name__ == "__main__":
    run_program(main)
