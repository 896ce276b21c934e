"""Print the settings as a Markdown table: the dataclasses, and the comments beside their fields.

With --write the table goes into README.md, between its two markers.
"""

from __future__ import annotations

import argparse
import inspect
import json
import re
from dataclasses import fields
from pathlib import Path

from gcsa.config import Config
from gcsa.files import replacing

README = Path(__file__).parents[1] / "README.md"
MARKERS = ("<!-- settings: scripts/config_reference.py --write -->", "<!-- end of settings -->")


def reference() -> str:
    """The table: key, default, meaning."""
    lines = ["| key | default | meaning |", "|---|---|---|"]
    for section in fields(Config):
        comments = field_comments(section.default_factory)
        defaults = section.default_factory()
        for setting in fields(defaults):
            default = json.dumps(getattr(defaults, setting.name)).replace('"', "")
            key, meaning = f"{section.name}.{setting.name}", comments[setting.name]
            lines.append(f"| `{key}` | `{default}` | {meaning} |")
    return "\n".join(lines)


def field_comments(kind: type) -> dict[str, str]:
    """The comment behind each field of a dataclass."""
    found = re.findall(r"^    (\w+): [^#\n]*#\s*(.*)$", inspect.getsource(kind), re.MULTILINE)
    comments = {name: text.replace("|", "\\|") for name, text in found}
    missing = {f.name for f in fields(kind)} - comments.keys()
    if missing:
        raise SystemExit(f"{kind.__name__}: no comment beside {', '.join(sorted(missing))}")
    return comments


def with_reference(text: str) -> str:
    """README.md's text with the table of today between the markers."""
    before, rest = text.split(MARKERS[0])
    _, after = rest.split(MARKERS[1])
    return f"{before}{MARKERS[0]}\n{reference()}\n{MARKERS[1]}{after}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put it into README.md")
    if parser.parse_args().write:
        with replacing(README) as temporary:
            temporary.write_text(with_reference(README.read_text()))
    else:
        print(reference())


if __name__ == "__main__":
    main()
