"""The structure of the package in numbers: rooms, arrows between them, arrows that run back up.

A room is a module or a folder directly in the package; an arrow says that something in one room
imports something in another. Arrows up are those against the best order of rooms that a greedy
search finds (Eades, Lin and Smyth, 1993): 0 where the rooms can stand in one row.

    python scripts/house.py                  # of this checkout
    python scripts/house.py --package DIR    # of another one's gcsa folder
"""

from __future__ import annotations

import argparse
import ast
from collections.abc import Set
from pathlib import Path

ROOT = Path(__file__).parents[1]
Arrows = Set[tuple[str, str]]


def modules(package: Path) -> dict[str, Path]:
    """The modules of a package by their full names."""
    found = {}
    for path in package.rglob("*.py"):
        parts = path.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path: Path) -> set[str]:
    """Modules imported anywhere in a file, as full names; ``from a import b`` gives a and a.b."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def room(module: str) -> str:
    """The module or folder directly in the package that holds a module."""
    return module.split(".")[1] if "." in module else ""


def arrows(package: Path) -> set[tuple[str, str]]:
    """(importing room, imported room) of a package; its own face, __init__.py, is no room."""
    found, prefix = set(), package.name + "."
    for module, path in modules(package).items():
        own = {name for name in imports(path) if name.startswith(prefix)}
        found |= {(room(module), room(name)) for name in own}
    here = {room(module) for module in modules(package)} - {""}
    return {(a, b) for a, b in found if a != b and a in here and b in here}


def against(found: Arrows) -> set[tuple[str, str]]:
    """The arrows against the best order that a greedy search finds."""
    left, front, back = {room for arrow in found for room in arrow}, [], []
    while left:
        inside = {(a, b) for a, b in found if a in left and b in left}
        out = {r: sum(a == r for a, _ in inside) for r in left}
        into = {r: sum(b == r for _, b in inside) for r in left}
        pick = min(left, key=lambda r: (min(out[r], into[r]) > 0, into[r] - out[r], r))
        (front if into[pick] <= out[pick] else back).append(pick)
        left.remove(pick)
    place = {name: i for i, name in enumerate(front + back[::-1])}
    return {(a, b) for a, b in found if place[a] > place[b]}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--package", type=Path, default=ROOT / "gcsa", metavar="DIR")
    package = parser.parse_args().package.resolve()
    found = arrows(package)
    up = against(found)
    rooms = {room(module) for module in modules(package)} - {""}
    print(f"modules {len(modules(package))}  rooms {len(rooms)}  arrows {len(found)}", end="  ")
    print(f"arrows up {len(up)}")
    for a, b in sorted(up):
        print(f"  {a} -> {b}")


if __name__ == "__main__":
    main()
