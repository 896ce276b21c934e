"""The tables of a report as HTML: results by scene, runs beside each other, settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from gcsa.config import Config, as_dict
from gcsa.evaluation.metrics import KS
from gcsa.report.outcomes import RERANKED
from gcsa.report.runs import PastRun, differences, validated_on
from gcsa.scoring.report import Report
from gcsa.training.run import selected_by

NAMES = [f"{metric}@{k}" for metric in ("recall", "mAP") for k in KS]
CARDS = ("mAP@10", "recall@1", "recall@5", "recall@10")


def cards(first: Report, reranked: Report) -> str:
    """The few figures that come first: before, after, difference."""
    items = []
    for name in CARDS:
        before, after = (100 * r["metrics"][name] for r in (first, reranked))
        items.append(
            f'<li class="card"><span class="name">{name}</span>'
            f'<span class="value">{after:.1f}<small> %</small></span>'
            f'<span class="from">{_difference(after - before)} from {before:.1f} %</span></li>'
        )
    return f'<ul class="cards">{"".join(items)}</ul>'


def results(
    first: Report,
    reranked: Report,
    plain: tuple[str, Report] | None = None,
    words: tuple[str, str] = RERANKED,
) -> str:
    """Recall@k and mAP@k by scene, and in total where there are several, without and with
    re-ranking, with the counts.

    plain: name and report of the rule without a network that stands beside them. words: what the
    other two are called.
    """
    lists = {words[0]: first, **dict([plain] if plain else []), words[1]: reranked}
    parts = {
        name: {label: found["scenes"][name] for label, found in lists.items()}
        for name in first["scenes"]
    }
    if len(parts) > 1:
        parts["total"] = lists
    body = "".join(_scene_rows(name, rows) for name, rows in parts.items())
    head = ["scene", "list", *(n.replace("recall", "R") for n in NAMES), "queries", "database"]
    return _table(head, body)


def places(
    first: Report,
    reranked: Report,
    plain: tuple[str, Report] | None = None,
    words: tuple[str, str] = RERANKED,
) -> str:
    """Place recall and the distance of the first image, of all scenes; "" where not measured."""
    lists = {words[0]: first, **dict([plain] if plain else []), words[1]: reranked}
    rows = {label: found["places"] for label, found in lists.items() if "places" in found}
    if not rows:
        return ""
    names = list(next(iter(rows.values())))
    body = "".join(
        f'<tr><th scope="row">{escape(label)}</th>'
        + "".join(f"<td>{_place_cell(name, values[name])}</td>" for name in names)
        + "</tr>"
        for label, values in rows.items()
    )
    caption = (
        "Places: further photos of a place already listed count once. Distance of the first image "
        "from where the query was taken."
    )
    return _table(["list", *names], f"<tbody>{body}</tbody>", caption)


def _place_cell(name: str, value: float) -> str:
    return f"{value:.1f}" if name.startswith("median") else _percent(value)


def _scene_rows(name: str, lists: Mapping[str, Report]) -> str:
    first, *others = lists.items()
    values, counts = [100 * first[1]["metrics"][n] for n in NAMES], first[1]["counts"]
    queries = f"{counts['with_positives']:,} of {counts['queries']:,}"
    plain = "".join(f"<td>{v:.2f} <small></small></td>" for v in values)
    body = (
        f'<tbody><tr><th scope="rowgroup" rowspan="{len(lists)}">{escape(name)}</th>'
        f'<th scope="row">{escape(first[0])}</th>{plain}<td rowspan="{len(lists)}">{queries}</td>'
        f'<td rowspan="{len(lists)}">{counts["database"]:,}</td></tr>'
    )
    for number, (label, found) in enumerate(others, start=1):
        pairs = zip([100 * found["metrics"][n] for n in NAMES], values, strict=True)
        cells = "".join(f"<td>{new:.2f} {_difference(new - old)}</td>" for new, old in pairs)
        kind = ' class="better"' if number == len(others) else ""
        body += f'<tr{kind}><th scope="row">{escape(label)}</th>{cells}</tr>'
    return f"{body}</tbody>"


def comparison(runs: Sequence[PastRun]) -> str:
    """Runs by their best epoch as metrics.csv has it, with the settings that they differ in."""
    body = []
    for run, settings in zip(runs, differences(runs), strict=True):
        best = run.best
        cells = "".join(f"<td>{_percent(best.get(n))}</td>" for n in NAMES)
        said = "".join(
            f"<li><code>{escape(key)}</code> {escape(_plain(value))}</li>"
            for key, value in settings.items()
        )
        other = "" if validated_on(run) == validated_on(runs[0]) else " <em>(other data)</em>"
        body.append(
            f'<tr><th scope="row">{escape(run.name)}{other}</th><td>{best["epoch"]:.0f} of '
            f"{run.rows[-1]['epoch']:.0f}</td>{cells}<td>{_percent(run.rows[0].get('mAP@10'))}</td>"
            f'<td class="words"><ul class="plain">{said}</ul></td></tr>'
        )
    names = [n.replace("recall", "R") for n in NAMES]
    head = ["run", "epoch", *names, "mAP@10 without", "settings that differ"]
    by = selected_by(runs[0].config)
    caption = f"Best epoch of each run by validation {by}, from its metrics.csv; percent."
    return _table(head, f"<tbody>{''.join(body)}</tbody>", caption)


def epochs(run: PastRun) -> str:
    """metrics.csv of a run as a table."""
    names = [n for n in run.rows[0] if n != "epoch"]
    body = "".join(
        f'<tr><th scope="row">{row["epoch"]:.0f}</th>'
        + "".join(f"<td>{_cell(name, row[name])}</td>" for name in names)
        + "</tr>"
        for row in run.rows
    )
    return _table(["epoch", *names], f"<tbody>{body}</tbody>", "metrics.csv; metrics in percent.")


def configuration(config: Config) -> str:
    """Every setting by section; those that are not the default's are marked, in a word too."""
    standard = as_dict(Config())
    return "".join(
        _section(name, values, standard[name]) for name, values in as_dict(config).items()
    )


def _section(name: str, values: Mapping[str, Any], defaults: Mapping[str, Any]) -> str:
    rows = []
    for key, value in values.items():
        changed = value != defaults[key]
        note = f" <small>default {escape(_plain(defaults[key]))}</small>" if changed else ""
        mark = ' class="changed"' if changed else ""
        rows.append(
            f'<tr{mark}><th scope="row"><code>{escape(key)}</code></th>'
            f'<td class="words">{escape(_plain(value))}{note}</td></tr>'
        )
    table = _table(["setting", "value"], f"<tbody>{''.join(rows)}</tbody>")
    return f"<section><h3>{escape(name)}</h3>{table}</section>"


def _table(head: Sequence[str], body: str, caption: str = "") -> str:
    """A table that scrolls sideways on its own where the page is narrow, by keyboard too."""
    cells = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    said = f"<caption>{escape(caption)}</caption>" if caption else ""
    label = escape(caption or "table")
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{label}">'
        f"<table>{said}<thead><tr>{cells}</tr></thead>{body}</table></div>"
    )


def _difference(points: float) -> str:
    """A difference in percentage points, its sign always written."""
    kind = "same" if abs(points) < 0.005 else "up" if points > 0 else "down"
    return f'<small class="{kind}">{points:+.1f}</small>'.replace("-", "\N{MINUS SIGN}")


def _cell(name: str, value: float | None) -> str:
    if name in ("loss", "learning_rate") or "@" not in name:
        return "" if value is None else f"{value:.4g}"
    return _percent(value)


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.2f}"


def _plain(value: Any) -> str:
    """A setting as YAML would have it on one line."""
    if isinstance(value, list):
        return f"[{', '.join(map(str, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    return "null" if value is None else str(value)
