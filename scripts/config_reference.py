"""Print the settings as Markdown, section by section: the dataclasses, and the comments beside
their fields. With --write the tables go into docs/settings.md, between its two markers.
"""

from __future__ import annotations

import argparse
import inspect
import json
import re
from dataclasses import fields
from pathlib import Path

from gcsa.config import Config
from gcsa.files import write_text
from gcsa.training.run import FREE_SETTINGS

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "settings.md"
MARKERS = ("<!-- settings: scripts/config_reference.py --write -->", "<!-- end of settings -->")


def reference() -> str:
    """All sections, and which settings a resumed run may change."""
    parts = [section_text(section.name, section.default_factory) for section in fields(Config)]
    free = ", ".join(f"`{key}`" for key in sorted(FREE_SETTINGS))
    parts.append(
        f"What may be other than before when a run is resumed: {free} (`train.num_epochs` "
        "not with `train.schedule=cosine`)."
    )
    return "\n\n".join(parts)


def section_text(name: str, kind: type) -> str:
    """A heading, the dataclass's own words and where it is defined, and a table of its fields."""
    defaults, comments = kind(), field_comments(kind)
    module = kind.__module__.replace(".", "/") + ".py"
    lines = [f"## {name}", "", f"{own_words(kind)} ([{module}](../{module}))", ""]
    lines += ["| key | default | meaning |", "|---|---|---|"]
    for setting in fields(kind):
        default = json.dumps(getattr(defaults, setting.name)).replace('"', "")
        lines.append(f"| `{name}.{setting.name}` | `{default}` | {comments[setting.name]} |")
    return "\n".join(lines)


def own_words(kind: type) -> str:
    """The docstring of a dataclass as a line of Markdown, without the name of its section."""
    text = re.sub(r"^Section ``\w+``: ", "", " ".join(inspect.getdoc(kind).split()))
    return (text[0].upper() + text[1:]).replace("``", "`")


def field_comments(kind: type) -> dict[str, str]:
    """The comment behind each field of a dataclass."""
    found = re.findall(r"^    (\w+): [^#\n]*#\s*(.*)$", inspect.getsource(kind), re.MULTILINE)
    comments = {name: text.replace("|", "\\|") for name, text in found}
    missing = {f.name for f in fields(kind)} - comments.keys()
    if missing:
        raise SystemExit(f"{kind.__name__}: no comment beside {', '.join(sorted(missing))}")
    return comments


def with_reference(text: str) -> str:
    """The page's text with the tables of today between the markers."""
    before, rest = text.split(MARKERS[0])
    _, after = rest.split(MARKERS[1])
    return f"{before}{MARKERS[0]}\n\n{reference()}\n\n{MARKERS[1]}{after}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put them into docs/settings.md")
    if parser.parse_args().write:
        write_text(PAGE, with_reference(PAGE.read_text(encoding="utf-8")))
    else:
        print(reference())


if __name__ == "__main__":
    main()
