"""Print the published descriptor networks as Markdown tables, from the table that the package
reads. With --write they go into docs/networks.md, between its two markers.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from gcsa.descriptors.networks import COLUMNS, listed
from gcsa.files import write_text

PAGE = Path(__file__).parents[1] / "docs" / "networks.md"
MARKERS = ("<!-- networks: scripts/network_table.py --write -->", "<!-- end of networks -->")
# Which columns stand together, each beside the name.
TABLES = {
    "What each is": ("backbone", "numbers", "images"),
    "Licences": ("licence", "trained on"),
    "Files": ("file",),
    "Figures": ("figures",),
}


def tables() -> str:
    """A table for each group of columns; rows that have nothing to say in it are left out."""
    parts = []
    for title, columns in TABLES.items():
        places = [COLUMNS.index(column) for column in columns]
        lines = [_line("network", *columns), _line(*["---"] * (1 + len(columns)))]
        for row in listed():
            cells = [row[place] for place in places]
            lines += [_line(row[0], *cells)] if any(cells) else []
        parts.append("\n".join([f"### {title}", "", *lines]))
    return "\n\n".join(parts)


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def with_tables(page: str) -> str:
    """The page with the tables of today between its markers."""
    before, rest = page.split(MARKERS[0])
    after = rest.split(MARKERS[1])[1]
    return f"{before}{MARKERS[0]}\n\n{tables()}\n\n{MARKERS[1]}{after}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put them into docs/networks.md")
    if parser.parse_args().write:
        write_text(PAGE, with_tables(PAGE.read_text(encoding="utf-8")))
    else:
        print(tables())


if __name__ == "__main__":
    main()
