"""The section of a report about confidence: does it come true, and what do the surest achieve."""

from __future__ import annotations

import numpy as np

from gcsa.evaluation.confidence import answered_curve, reliability
from gcsa.report.charts import Line, line_chart, reliability_chart
from gcsa.scoring.confidence import Answers, figures_of, show_confidence

# Shares of the queries, in percent, that the curve has a point at.
SHARES = range(5, 101, 5)
TICKS = (20, 40, 60, 80, 100)
NOTE = (
    "An answer is the first image of a list; it is right where that image is relevant. Queries "
    "without any relevant image count, too: each answer to them is wrong. ECE: how far confidence "
    "is from the share that is right, in the mean; 0 is best, and by chance alone so few queries "
    "would show the figure beside it. AUC-PR: how well confidence tells right answers from wrong "
    "ones; 1 is best."
)
MAP_KEY = (
    " Purple: where the query may be, the stronger the likelier; the cross is the answer, its "
    "circle holds 68 % of the probability; the diamond is what the device reported, with its "
    "accuracy."
)
# What the spots of heat on all maps are filled with: a normal distribution, to 2.5 deviations.
GRADIENT = (
    '<svg class="defs" aria-hidden="true"><radialGradient id="heat">'
    '<stop offset="0"/><stop offset=".2" stop-opacity=".88"/><stop offset=".4" stop-opacity=".61"/>'
    '<stop offset=".6" stop-opacity=".32"/><stop offset=".8" stop-opacity=".14"/>'
    '<stop offset="1" stop-opacity="0"/></radialGradient></svg>'
)


def section(answers: Answers) -> str:
    """Both charts and the figures in a line, as HTML."""
    found = reliability(answers.confidence, answers.correct)
    lines = {
        "by confidence": (answers.confidence, answers.correct),
        "first round, by similarity": (answers.similarity, answers.first_correct),
    }
    curve = [Line(name, _points(*pair)) for name, pair in lines.items()]
    charts = reliability_chart("Confidence and truth", found) + line_chart(
        "Right answers of the surest queries", curve, "queries answered, percent", "%", TICKS
    )
    return (
        f'{GRADIENT}<section id="confidence"><h2>Confidence</h2>'
        f"<p>{show_confidence(figures_of(answers))}</p>"
        f'<p class="note">{NOTE}</p><div class="charts">{charts}</div></section>'
    )


def _points(confidence: np.ndarray, correct: np.ndarray) -> list[tuple[float, float]]:
    """Of the curve, at each of SHARES the first point that has answered so many."""
    share, right = answered_curve(confidence, correct)
    at = np.unique(np.searchsorted(share, np.array(SHARES) / 100 - 1e-9))
    return [(100 * float(share[i]), 100 * float(right[i])) for i in at]
