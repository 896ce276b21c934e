"""The door of ``python -m gcsa.lamar.labels``: :mod:`gcsa.localization.labels`."""

from gcsa.errors import run_program
from gcsa.localization.labels import main

if __name__ == "__main__":
    run_program(main)
