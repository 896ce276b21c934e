"""The door of ``python -m gcsa.folder.describe``: :mod:`gcsa.datasets.folder.describe`."""

from gcsa.datasets.folder.describe import main
from gcsa.errors import run_program

if __name__ == "__main__":
    run_program(main)
