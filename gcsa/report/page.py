"""A report put together: one HTML file with style, script, charts and images inside."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from pathlib import Path
from string import Template

import numpy as np
from tqdm import tqdm

from gcsa.evaluation.metrics import KS
from gcsa.models.checkpoint import read_settings
from gcsa.plots.curves import by_k as percent_by_k
from gcsa.report import confidence, posed, tables, tuples
from gcsa.report.charts import Line, histogram, line_chart
from gcsa.report.matched import matches_svg
from gcsa.report.origin import written
from gcsa.report.outcomes import Change, Outcome, SceneOutcome, by_k, changes
from gcsa.report.posed import Posed, camera_svg
from gcsa.report.rows import Thumbnails, query_row
from gcsa.report.runs import PastRun, validated_on
from gcsa.training.run import before

logger = logging.getLogger(__name__)

HIGHLIGHTS = 5  # best gains, and worst losses
# Points by which a metric, measured anew, may differ from metrics.csv: rounding of another machine.
AGREE = 0.1


@dataclass(frozen=True, eq=False)
class Subject:
    """What a report is about. others: runs to compare with; checkpoint: the evaluated one, or None
    where it is a method. posed: of the outcome's scenes, where cameras were placed, by so many
    ``images`` of a list.
    """

    run: PastRun
    others: Sequence[PastRun]
    checkpoint: Path | None
    split: str
    outcome: Outcome
    method: str | None = None
    posed: Sequence[Posed] = ()
    images: int = 0

    @property
    def ranker(self) -> str:
        """What re-ranks, in a word."""
        return str(self.method) if self.checkpoint is None else self.checkpoint.name


def page(subject: Subject, max_queries: int) -> str:
    """The HTML text of a report, with the ``max_queries`` most changed queries."""
    thumbnails = Thumbnails(subject.outcome.config.data)
    mined = tuples.section(subject.run, thumbnails)
    parts = {**_figures(subject, mined), **_queries(subject, thumbnails, max_queries)}
    warnings = [*_disagreement(subject), *_missing(thumbnails)]
    for warning in warnings:
        logger.warning("%s", warning)
    parts["warnings"] = "".join(f'<p class="warning">{escape(w)}</p>' for w in warnings)
    parts["thumbnails"] = json.dumps(thumbnails.images)
    parts["written"] = escape(written())
    files = resources.files("gcsa.report")
    template, parts["style"], parts["script"] = (
        files.joinpath(f"page.{kind}").read_text(encoding="utf-8") for kind in ("html", "css", "js")
    )
    return Template(template).substitute(parts)


def _figures(subject: Subject, mined: str) -> dict[str, str]:
    """The parts of the page that are about all queries together. mined: the section of tuples."""
    run, others, outcome = subject.run, subject.others, subject.outcome
    first, reranked = outcome.first, outcome.reranked
    about = f"{subject.ranker}, {subject.split} split. {first['protocol']}."
    return {
        "title": escape(run.name),
        "about": escape(about),
        "cards": tables.cards(first, reranked),
        "results": tables.results(first, reranked, outcome.plain, outcome.words)
        + tables.places(first, reranked, outcome.plain, outcome.words),
        "before": escape(outcome.words[0]),
        "after": escape(outcome.words[1]),
        "against_k": _against_k(outcome.scenes),
        "confidence": "" if outcome.answers is None else confidence.section(outcome.answers),
        "curves": _curves([run, *others]),
        "epochs": tables.epochs(run),
        "comparison": _comparison(run, others),
        "poses": posed.section(subject.posed, subject.images) if subject.posed else "",
        "mined": mined,
        "more_links": _links(subject, mined),
        "configuration": tables.configuration(outcome.config),
    }


def _links(subject: Subject, mined: str) -> str:
    """To the sections that not every report has."""
    sections = {
        "Confidence": subject.outcome.answers is not None,
        "Poses": bool(subject.posed),
        "Tuples": bool(mined),
        "Ablations": bool(subject.others),
    }
    return "".join(f'<a href="#{n.lower()}">{n}</a> ' for n, there in sections.items() if there)


def _queries(subject: Subject, thumbnails: Thumbnails, max_queries: int) -> dict[str, str]:
    """The parts of the page that show single queries."""
    outcome = subject.outcome
    found = changes(outcome.scenes)
    ordered = sorted(found, key=lambda change: -change.gain)
    gains = [c for c in ordered if c.kind == "gained"][:HIGHLIGHTS]
    losses = [c for c in reversed(ordered) if c.kind == "lost"][:HIGHLIGHTS]
    shown = found[:max_queries]

    def rows(part: Iterable[Change], closely: bool = False) -> str:
        given = outcome.scenes, outcome.config, thumbnails
        return "".join(query_row(c, *given, _closely(subject, c) if closely else "") for c in part)

    return {
        "histogram": histogram("Queries by change", np.array([c.gain for c in found]), "points"),
        "summary": _summary(found),
        "gains": rows(gains, True) or "<p>No query gained.</p>",
        "map_key": "" if outcome.answers is None else confidence.MAP_KEY,
        "losses": rows(losses, True) or "<p>No query lost.</p>",
        "cap": _cap(len(shown), len(found)),
        "scenes": "".join(_option(s.scene.name) for s in outcome.scenes),
        "rows": rows(tqdm(shown, desc="pictures", unit="query", leave=False, disable=None)),
    }


def _closely(subject: Subject, change: Change) -> str:
    """What local features show of a query: its matches, and where its camera was placed."""
    outcome = subject.outcome
    drawn = matches_svg(outcome.config.data, outcome.scenes[change.scene], change.query)
    if subject.posed:
        drawn += camera_svg(subject.posed[change.scene], change.query)
    return f'<div class="closely">{drawn}</div>' if drawn else ""


def _against_k(scenes: Sequence[SceneOutcome]) -> str:
    curves = by_k(scenes)
    return "".join(
        line_chart(
            f"{metric}@k",
            [Line(n, list(percent_by_k(v, metric).items())) for n, v in curves.items()],
            "k",
            "%",
            KS,
        )
        for metric in ("recall", "mAP")
    )


def _curves(runs: Sequence[PastRun]) -> str:
    """Loss and metrics by epoch; the level without training is that of the first run."""
    charts = []
    for name, unit, share in (("loss", "", 1), ("recall@1", "%", 100), ("mAP@10", "%", 100)):
        lines = []
        for number, run in enumerate(runs):
            values = {
                r["epoch"]: share * r[name]
                for r in run.rows
                if r.get(name) is not None and math.isfinite(r[name])
            }
            level = values.pop(0, None)
            lines.append(
                Line(run.name, list(values.items()), None if number else level, before(run.config))
            )
        charts.append(line_chart(name, lines, "epoch", unit))
    return "".join(charts)


def _comparison(run: PastRun, others: Sequence[PastRun]) -> str:
    if not others:
        return ""
    heading = '<section id="ablations"><h2>Ablations</h2>'
    different = [o.name for o in others if validated_on(o) != validated_on(run)]
    note = f"<p>Validated on other data: {escape(', '.join(different))}.</p>" if different else ""
    return f"{heading}{note}{tables.comparison([run, *others])}</section>"


def _summary(found: Sequence[Change]) -> str:
    """How many queries gained, lost and stayed, as a bar and in words."""
    counts = {kind: sum(c.kind == kind for c in found) for kind in ("gained", "unchanged", "lost")}
    total = max(1, len(found))
    parts = "".join(
        f'<span class="{kind}" style="flex-grow:{count}"></span>'
        for kind, count in counts.items()
        if count
    )
    words = "".join(
        f'<li><b class="{kind}">{count:,}</b> {kind} ({100 * count / total:.0f} %)</li>'
        for kind, count in counts.items()
    )
    return f'<div class="share" aria-hidden="true">{parts}</div><ul class="counts">{words}</ul>'


def _cap(shown: int, total: int) -> str:
    if shown == total:
        return f"All {total:,} queries that have a relevant image."
    return (
        f"The {shown:,} most changed of {total:,} queries that have a relevant image "
        f"(--max_queries {shown})."
    )


def _option(value: str) -> str:
    return f'<option value="{escape(value)}">{escape(value)}</option>'


def _disagreement(subject: Subject) -> list[str]:
    """A warning where the checkpoint's row of metrics.csv is not what was measured now."""
    run, checkpoint = subject.run, subject.checkpoint
    if checkpoint is None or subject.split != "val":
        return []
    if checkpoint.parent.resolve() != run.folder.resolve():
        return []
    settings = read_settings(checkpoint)
    rows = [r for r in run.rows if settings is not None and r["epoch"] == settings.get("epoch")]
    now, then = subject.outcome.reranked["metrics"], rows[0] if rows else {}
    apart = {n: 100 * abs(now[n] - then[n]) for n in now if then.get(n) is not None}
    name = max(apart, key=lambda n: apart[n], default=None)
    if name is None or apart[name] <= AGREE:
        return []
    return [
        f"{name} is {100 * now[name]:.2f} % now and was {100 * then[name]:.2f} % in metrics.csv: "
        "the data, or settings of the command line, are not those of the training run"
    ]


def _missing(thumbnails: Thumbnails) -> list[str]:
    missing = thumbnails.missing
    if not missing:
        return []
    total = len(missing) + len(thumbnails.images)
    return [f"{len(missing):,} of {total:,} images cannot be read, the first is {missing[0]}"]
