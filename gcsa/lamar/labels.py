"""The door of ``gcsa lamar.labels``: :mod:`gcsa.localization.labels`."""

from gcsa.errors import run_program
from gcsa.localization.labels import main, parser

__all__ = ["main", "parser"]

if __name__ == "__main__":
    run_program(main)
