"""The few numbers that the posterior needs of a data set, where they come from, and as a text file.

Angles are radians here and degrees in the file and in words, as people think of them.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from gcsa.errors import MissingFileError
from gcsa.files import reading
from gcsa.sideinfo.evidence import Table, device_sigma
from gcsa.written import check_brackets

SOURCES = {
    "defaults": "defaults: nothing was calibrated",
    "database": "the database's own images, as queries",
    "scenes": "labelled scenes",
}
# Fewer queries than this move the defaults but little.
FEW = 100


@dataclass(frozen=True)
class Calibration:
    """What evidence is worth, and how far a query is from the photo that shows its place.

    temperature: inverse temperature of similarities; none: logit of "none of these" against a
    candidate of the list's mean similarity. compass_sigma, compass_outliers, gps_outliers,
    gps_accuracy (metres, 68 %, for a device that states none): see :mod:`gcsa.sideinfo.evidence`.
    gamma: power of the density of photos. spread (metres), turn (radians): of
    :class:`gcsa.places.standing.Spread`. radio, overlap: knots and values, of a log-likelihood
    ratio over radio affinity, and of the probability of relevance over the overlap of fields of
    view. inliers: likewise, of a ratio over the number of inliers of local features, where they are
    read. radio_weight: what the ratio is multiplied with. step (metres), jumps, discount: of
    :mod:`gcsa.places.sequences`.
    """

    temperature: float = 25.0
    none: float = 0.0
    compass_sigma: float = math.radians(12)
    compass_outliers: float = 0.5
    gps_outliers: float = 0.05
    gps_accuracy: float = 20.0
    gamma: float = 0.5
    spread: float = 6.0
    turn: float = math.radians(30)
    radio: tuple[tuple[float, ...], tuple[float, ...]] = ((0.0, 0.3, 0.5, 0.7), (-2.0, -1, 1, 2.5))
    radio_weight: float = 1.0
    overlap: tuple[tuple[float, ...], tuple[float, ...]] = (
        (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0),
        (0.0, 0.04, 0.15, 0.38, 0.65, 0.83, 0.93, 0.98, 1.0),
    )
    inliers: tuple[tuple[float, ...], tuple[float, ...]] = ((8, 17, 30, 60), (-0.2, 0, 1.2, 3.1))
    step: float = 15.0
    jumps: float = 0.02
    discount: float = 0.6
    source: str = "defaults"
    queries: int = 0
    descriptors: str = ""

    def __post_init__(self) -> None:
        for name in ("temperature", "compass_sigma", "gps_accuracy", "spread", "turn", "step"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name}: {getattr(self, name)} is not a positive number")
        for name in ("compass_outliers", "gps_outliers", "discount"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name}: {getattr(self, name)} is not a share, 0 to 1")
        if self.source not in SOURCES:
            raise ValueError(f"source: '{self.source}' is not one of {', '.join(SOURCES)}")

    @property
    def radio_table(self) -> Table:
        """The radio evidence, weighted."""
        knots, values = (np.array(row) for row in self.radio)
        return Table(knots, self.radio_weight * values)

    @property
    def inliers_table(self) -> Table:
        """The evidence of local features."""
        return Table(*(np.array(row) for row in self.inliers))


ANGLES = ("compass_sigma", "turn")
# What files of before it was known lack: it has its default there.
LATER = {"inliers"}


def to_text(calibration: Calibration) -> str:
    """As YAML, one line a number, angles in degrees."""
    values = {key: _short(key, value) for key, value in asdict(calibration).items()}
    lines = yaml.safe_dump(values, sort_keys=False, default_flow_style=None, width=100)
    return "# What the posterior re-ranker knows of this data set; angles in degrees.\n" + lines


def from_text(text: str) -> Calibration:
    """Read :func:`to_text`; ValueError names a key that is unknown, missing or of another kind."""
    check_brackets(text)
    if "<<" in text:  # entries of entries, which a few lines make very many
        raise ValueError("calibration: '<<' is not read")
    values = yaml.safe_load(text)
    names = [f.name for f in fields(Calibration)]
    if isinstance(values, dict):
        values = {name: getattr(Calibration(), name) for name in LATER} | values
    if not isinstance(values, dict) or set(values) != set(names):
        got = set(values) if isinstance(values, dict) else set()
        raise ValueError(
            f"calibration: unknown {sorted(got - set(names))}, missing {sorted(set(names) - got)}"
        )
    try:
        return Calibration(**{name: _value(name, values[name]) for name in names})
    except (TypeError, ValueError) as error:
        raise ValueError(f"calibration: {error}") from error


def rounded(calibration: Calibration) -> Calibration:
    """In the digits of its file."""
    return from_text(to_text(calibration))


def read_calibration(path: Path) -> Calibration:
    """A calibration file; InputError names the file and what is wrong in it."""
    if not path.is_file():
        raise MissingFileError(f"{path}: no such calibration file; gcsa calibrate writes one")
    with reading(path, "a calibration, as gcsa calibrate writes it"):
        return from_text(path.read_text(encoding="utf-8"))


def words(calibration: Calibration, similarity_step: float = 0.01) -> str:
    """What was found, in plain sentences."""
    c = calibration
    within = 1.645 * math.degrees(c.compass_sigma)
    lines = [
        f"From {SOURCES[c.source]}" + (f" ({c.queries} of them)." if c.queries else "."),
        f"A similarity higher by {similarity_step:g} makes a place "
        f"{math.exp(similarity_step * c.temperature):.2f} times as likely.",
        f"Of a query and a photo of its place the compass agrees within {within:.0f} degrees in 9 "
        f"of 10 cases, and says nothing in {100 * c.compass_outliers:.0f} of 100.",
        f"A query stands {1.18 * c.spread:.1f} metres from the photo that shows its place, in the "
        "median.",
        f"The votes of a place count as the number of its photos to the power {1 - c.gamma:.2f} "
        "(0: each place alike, 1: each photo).",
        f"A device's position is wrong in {100 * c.gps_outliers:.0f} of 100 cases, else within "
        f"what it states (or {c.gps_accuracy:.0f} m; {device_sigma(c.gps_accuracy):.0f} m along an "
        "axis): not visible in a database, a default.",
    ]
    if c.inliers != Calibration().inliers:
        most = f"{c.inliers[0][-1]:.0f} or more make it {math.exp(c.inliers[1][-1]):.0f} times as"
        lines.append(
            f"No matches of local features make a place {math.exp(c.inliers[1][0]):.2f} times as "
            f"likely, {most} likely."
        )
    if c.source != "defaults" and c.queries < FEW:
        lines.append(f"{c.queries} queries are few: most numbers stay near their defaults.")
    return "\n".join(lines)


def adapted(defaults: Calibration, contrast: float) -> Calibration:
    """``defaults`` for descriptors of that contrast: see :func:`gcsa.places.samples.contrast`."""
    if not LEAST_CONTRAST < contrast < math.inf:  # lists of one, or of images all alike
        return defaults
    return replace(defaults, temperature=REFERENCE / contrast)


# Temperature times contrast of the descriptors that were looked at, on training scenes.
REFERENCE = 7.5
LEAST_CONTRAST = 1e-6


def _short(key: str, value: Any) -> Any:
    if key in ANGLES:
        value = math.degrees(value)
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, tuple):
        return [[float(f"{v:.3g}") for v in row] for row in value]
    return value


def _value(key: str, value: Any) -> Any:
    if key in ANGLES:
        return math.radians(value)
    if isinstance(value, list):
        return tuple(tuple(float(v) for v in row) for row in value)
    return value
