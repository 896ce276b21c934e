"""Pictures of rankings, affinities, attention and results, as Matplotlib figures.

Every function returns a ``matplotlib.figure.Figure`` that no global state knows of: save it with
:func:`save`, or show it as the last value of a notebook's cell. Matplotlib is imported when the
first figure is drawn.
"""

from gcsa.plots.attention import Inputs, attention, attention_bars, inputs_of
from gcsa.plots.confidence import answered, reliability_diagram
from gcsa.plots.curves import metrics_against_k, read_metrics, training_curves
from gcsa.plots.maps import query_map
from gcsa.plots.matches import matches
from gcsa.plots.matrices import affinity_blocks, affinity_images
from gcsa.plots.poses import camera_map, error_curve
from gcsa.plots.strips import Tile, ranking_strip, strip
from gcsa.plots.style import save
from gcsa.plots.tradeoff import quality_against_time

__all__ = [
    "Inputs",
    "Tile",
    "affinity_blocks",
    "affinity_images",
    "answered",
    "attention",
    "attention_bars",
    "camera_map",
    "error_curve",
    "inputs_of",
    "matches",
    "metrics_against_k",
    "quality_against_time",
    "query_map",
    "ranking_strip",
    "read_metrics",
    "reliability_diagram",
    "save",
    "strip",
    "training_curves",
]
