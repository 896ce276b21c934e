"""What the check found: rows of a table, each within what is left of the time."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from machine import table

HEADER = ["what", "", "found", "allowed", ""]


@dataclass(frozen=True)
class Row:
    """One line. found, allowed: differences, or what was measured in words; verdict: ok, DIFFERS,
    FAILED, not measured, left out.
    """

    what: str
    how: str
    found: str
    allowed: str
    verdict: str


@dataclass
class Results:
    """The rows so far. seconds: that all may take; gpu: whether there is one."""

    seconds: float
    gpu: bool
    rows: list[Row] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    start: float = field(default_factory=time.monotonic)

    @property
    def left(self) -> float:
        return self.seconds - (time.monotonic() - self.start)

    def compare(
        self,
        what: str,
        how: str,
        difference: Callable[[], float],
        allowed: float,
        across: bool = True,
    ) -> None:
        """A row of how far two ways differ. across: they are of two devices: of one device alone
        the figure says nothing, only that the way can be gone.
        """
        self._row(what, how, lambda: self._judged(difference(), allowed, across), f"{allowed:g}")

    def measure(self, what: str, how: str, measured: Callable[[], dict[str, Any]]) -> None:
        """A row of figures by name; without a GPU they are made at reduced sizes, and not shown."""

        def found() -> tuple[str, str]:
            self.values[what] = figures = measured()
            if not self.gpu:
                return "", "not measured: no GPU"
            return ", ".join(f"{name} {value}" for name, value in figures.items()), "ok"

        self._row(what, how, found, "")

    def _judged(self, value: float, allowed: float, across: bool) -> tuple[str, str]:
        verdict = "ok" if value <= allowed else "DIFFERS"
        if across and not self.gpu:
            verdict = "not measured: no GPU" if value <= allowed else verdict
        return f"{value:.2g}", verdict

    def _row(self, what: str, how: str, find: Callable[[], tuple[str, str]], allowed: str) -> None:
        if self.left <= 0:
            self.rows.append(Row(what, how, "", allowed, "left out: no time left"))
            return
        try:
            found, verdict = find()
        except Exception as error:  # whatever it is, the other rows are worth having
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:160].replace("|", "/")
            found, verdict = reason, "FAILED"
        self.rows.append(Row(what, how, found, allowed, verdict))
        print(f"{self.left:4.0f} s left  {what}: {found or '-'} {verdict}", flush=True)

    @property
    def wrong(self) -> list[str]:
        return [row.what for row in self.rows if row.verdict in ("DIFFERS", "FAILED")]

    def markdown(self) -> str:
        rows = [[r.what, r.how, r.found, r.allowed, r.verdict] for r in self.rows]
        return table(rows, HEADER)

    def write(self, path: Path, machine: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = {"machine": machine, "gpu": self.gpu, "rows": [asdict(row) for row in self.rows]}
        path.write_text(json.dumps({**kept, "values": self.values}, indent=1, default=str) + "\n")
