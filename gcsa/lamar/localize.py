"""The door of ``gcsa lamar.localize``: :mod:`gcsa.localization.localize`."""

from gcsa.errors import run_program
from gcsa.localization.localize import main, parser

__all__ = ["main", "parser"]

if __name__ == "__main__":
    run_program(main)
