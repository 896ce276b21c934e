"""The door of ``python -m gcsa.folder.from_sfm``: :mod:`gcsa.datasets.folder.from_sfm`."""

from gcsa.datasets.folder.from_sfm import main
from gcsa.errors import run_program

if __name__ == "__main__":
    run_program(main)
