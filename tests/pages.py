"""The Markdown pages of the project, cut into blocks, and their console blocks run again."""

from __future__ import annotations

import io
import logging
import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from tqdm import tqdm

from gcsa.__main__ import main
from gcsa.errors import run_program

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@dataclass(frozen=True)
class Block:
    """A fenced block: the heading above it, its language, its text."""

    heading: str
    language: str
    text: str


def blocks(page: Path, language: str) -> list[Block]:
    """The fenced blocks of a language, in the order of the page."""
    found, heading, fence = [], "", None
    for line in page.read_text(encoding="utf-8").splitlines():
        if fence is not None and line.strip() == "```":
            found.append(Block(heading, fence[0], "\n".join(fence[1:]) + "\n"))
            fence = None
        elif fence is not None:
            fence.append(line)
        elif line.strip().startswith("```"):
            fence = [line.strip()[3:]]
        elif line.startswith("#"):
            heading = line.lstrip("# ")
    return [block for block in found if block.language == language]


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)


def commands(block: Block) -> list[tuple[str, str]]:
    """(command, what it printed) of a console block; commands stand behind "$ "."""
    parts = re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]
    pairs = (part.replace("\\\n", "").split("\n", 1) for part in parts)
    return [(command, output.strip("\n")) for command, output in pairs]


def run(command: str) -> tuple[int, str]:
    """Exit status and output of ``gcsa ... `` or ``cat FILE``, in this process."""
    words = shlex.split(command)
    if words[0] == "cat":
        return 0, Path(words[1]).read_text().strip("\n")
    assert words[0] == "gcsa", command
    output = io.StringIO()
    with mock.patch.object(sys, "argv", words), _into(output):
        try:
            run_program(main)
        except SystemExit as stop:
            return stop.code, output.getvalue().strip("\n")
    return 0, output.getvalue().strip("\n")


@contextmanager
def _into(output: io.StringIO) -> Iterator[None]:
    """Everything printed and logged, but for progress bars, goes to ``output``."""
    handler, package = logging.StreamHandler(output), logging.getLogger("gcsa")
    level, make = package.level, tqdm.__init__

    def make_silent(bar: tqdm, *args: Any, **kwargs: Any) -> None:
        make(bar, *args, **{**kwargs, "disable": True})

    package.addHandler(handler)
    package.setLevel(logging.INFO)
    try:
        silent = mock.patch.object(tqdm, "__init__", make_silent)
        with silent, redirect_stdout(output), redirect_stderr(output):
            yield
    finally:
        package.removeHandler(handler)
        package.setLevel(level)


def agrees(output: str, quoted: str) -> bool:
    """Whether the output is what was quoted, "..." standing for anything."""
    pattern = ".*".join(re.escape(part) for part in quoted.split("..."))
    return re.fullmatch(pattern, output, flags=re.DOTALL) is not None
