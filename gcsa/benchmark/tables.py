"""A comparison as Markdown, CSV and a picture."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from gcsa.files import write_text
from gcsa.plots import quality_against_time, save

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# What stands for quality in the picture, the first that there is.
QUALITY = ("mAP@10", "medium mAP", "mAP")
MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Row:
    """One method. metrics: shares in [0, 1] by name, in order.

    milliseconds: a query. memory: bytes; None where unknown. The first round has neither.
    """

    name: str
    metrics: Mapping[str, float]
    milliseconds: float | None = None
    memory: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def parameters(self) -> str:
        return " ".join(f"{key}={value}" for key, value in self.settings.items())


@dataclass(frozen=True)
class Comparison:
    """The rows, "no re-ranking" first, and what they are about.

    num: candidates that all re-rank. source: where the parameters come from.
    """

    rows: Sequence[Row]
    protocol: str
    counts: Mapping[str, int]
    num: int
    source: str
    device: str


def markdown(comparison: Comparison) -> str:
    """What was compared, the table (metrics in percent), and what its figures mean."""
    names = list(comparison.rows[0].metrics)
    head = ["method", *names, "ms a query", "MB", "parameters"]
    lines = [f"| {' | '.join(head)} |", f"|---|{'---:|' * (len(names) + 2)}---|"]
    for row in comparison.rows:
        values = [_cell(name, row.metrics[name]) for name in names]
        time = "" if row.milliseconds is None else f"{row.milliseconds:.3g}"
        memory = "" if row.memory is None else f"{row.memory / MEBIBYTE:.0f}"
        lines.append(f"| {' | '.join([row.name, *values, time, memory, row.parameters])} |")
    return "\n".join([*_about(comparison), "", *lines, "", *_legend(comparison)]) + "\n"


def _cell(name: str, value: float) -> str:
    """Shares in percent; medians in metres."""
    return f"{value:.1f}" if name.startswith("median") else f"{100 * value:.2f}"


def csv_text(comparison: Comparison) -> str:
    """The rows as CSV: metrics in [0, 1], milliseconds a query, memory in bytes."""
    out = io.StringIO()
    names = list(comparison.rows[0].metrics)
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["method", *names, "milliseconds", "memory", "parameters"])
    for row in comparison.rows:
        values = [row.metrics[name] for name in names]
        writer.writerow([row.name, *values, row.milliseconds, row.memory, row.parameters])
    return out.getvalue()


def picture(comparison: Comparison) -> Figure:
    """Quality against time; the first round, which costs no time here, is a line across."""
    first, *others = comparison.rows
    quality = _quality(first)
    points = {r.name: (r.milliseconds, 100 * r.metrics[quality]) for r in others}
    level = first.name, 100 * first.metrics[quality]
    return quality_against_time(points, f"{quality} (%)", "milliseconds a query", level)


def write(comparison: Comparison, folder: Path) -> None:
    """benchmark.md, benchmark.csv and benchmark.png in a folder."""
    write_text(folder / "benchmark.md", markdown(comparison))
    write_text(folder / "benchmark.csv", csv_text(comparison))
    save(picture(comparison), folder / "benchmark.png")


def _quality(row: Row) -> str:
    return next(name for name in (*QUALITY, *row.metrics) if name in row.metrics)


def _about(comparison: Comparison) -> list[str]:
    counts = comparison.counts
    return [
        f"{comparison.protocol}.",
        f"{counts['with_positives']} of {counts['queries']} queries have a relevant image; "
        f"{counts['database']} database images.",
        f"Every method re-ranks the same first {comparison.num} candidates.",
        f"Parameters: {comparison.source}.",
    ]


def _legend(comparison: Comparison) -> list[str]:
    threads = torch.get_num_threads()
    cuda = comparison.device.startswith("cuda")
    machine = torch.cuda.get_device_name(comparison.device) if cuda else f"CPU, {threads} threads"
    held = "allocated on the GPU" if cuda else "resident in the process"
    repeats = "" if cuda else "; it repeats to some tens of MB"
    return [
        f"Metrics in percent. Time: wall clock on {machine}, of re-ranking alone, all queries of "
        "a scene in one call: from descriptors and candidate lists to new lists. It includes what "
        "a method does to the whole database of a scene (a network projects its images, DBA and "
        "ICFRR look for neighbours of those listed); reading, retrieval and the overlaps of the "
        "database's fields of view are not in it.",
        f"Memory: most that was {held} above what was there before (data set, candidate lists, "
        f"weights){repeats}.",
    ]
