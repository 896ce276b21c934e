"""The door of ``python -m gcsa.lamar.localize``: :mod:`gcsa.localization.localize`."""

from gcsa.errors import run_program
from gcsa.localization.localize import main

if __name__ == "__main__":
    run_program(main)
