"""The door of ``python -m gcsa.folder.from_exif``: :mod:`gcsa.datasets.folder.from_exif`."""

from gcsa.datasets.folder.from_exif import main
from gcsa.errors import run_program

if __name__ == "__main__":
    run_program(main)
