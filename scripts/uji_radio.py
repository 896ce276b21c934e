"""How well does radio affinity tell distance? Measured on real WiFi: UJI's library.

The data (Mendoza-Silva et al., "Long-Term WiFi Fingerprinting Dataset", Data 2018, 3, 3;
doi 10.5281/zenodo.1066041) are samples of signal strength at known places, one folder a month with
files trn01rss.csv, trn01crd.csv, ... A sample is taken as one image's scan. Frequencies are not
published and count as 2400 MHz. Prints Spearman's rank correlation of affinity with true distance
for all pairs of samples of a set (a negative one is good), and the median affinity near and far.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array
from scipy.spatial.distance import cdist
from scipy.stats import spearmanr

from gcsa.errors import InputError, MissingFileError, run_program
from gcsa.sideinfo.radio import MAX_DISTANCE, Radio, pairwise_affinity, path_loss_distance

NOT_HEARD = 100
FLOOR_HEIGHT = 4.0  # metres; not published, an assumption
NEAR, FAR = 5.0, 15.0  # metres


@dataclass(frozen=True, eq=False)
class Samples:
    """One set: its name, radio of n samples, positions (n, 2) in metres, floors (n,)."""

    name: str
    radio: Radio
    positions: np.ndarray
    floors: np.ndarray


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of samples of one set: affinity, distance in metres, same floor; each (m,)."""

    affinity: np.ndarray
    distance: np.ndarray
    same_floor: np.ndarray

    def correlation(self, same_floor: bool) -> float:
        """Spearman's rank correlation of affinity and distance."""
        kept = self.same_floor | (not same_floor)
        return float(spearmanr(self.affinity[kept], self.distance[kept]).statistic)


def read_samples(folder: Path) -> list[Samples]:
    """Every set of the data: ``folder``/db/<month>/{trn,tst}<number>{rss,crd}.csv."""
    files = sorted((folder / "db").glob("*/*rss.csv"))
    if not files:
        raise MissingFileError(f"{folder}: no db/<month>/*rss.csv, expected UJI's library data")
    return [_read(path) for path in files]


def _read(path: Path) -> Samples:
    rssi = np.loadtxt(path, delimiter=",", ndmin=2)
    places = np.loadtxt(path.with_name(path.name.replace("rss", "crd")), delimiter=",", ndmin=2)
    if len(rssi) != len(places) or places.shape[1] != 3:
        raise InputError(f"{path}: {len(rssi)} samples, but {places.shape} coordinates")
    row, column = np.nonzero(rssi != NOT_HEARD)
    metres = path_loss_distance(rssi[row, column], -1)
    matrix = csr_array((metres - MAX_DISTANCE, (row, column)), shape=rssi.shape)
    names = np.array([f"ap{i:04d}" for i in range(rssi.shape[1])])
    name = f"{path.parent.name}/{path.name[:5]}"
    return Samples(name, Radio(matrix, names), places[:, :2], places[:, 2])


def pairs(samples: Samples) -> Pairs:
    """All pairs of samples of one set, each once."""
    first, second = np.triu_indices(len(samples.radio), k=1)
    heights = samples.floors[:, None] * FLOOR_HEIGHT
    places = np.concatenate([samples.positions, heights], axis=1)
    return Pairs(
        pairwise_affinity(samples.radio, samples.radio)[first, second],
        cdist(places, places)[first, second],
        samples.floors[first] == samples.floors[second],
    )


def report(samples: Samples, found: Pairs) -> str:
    near, far = found.distance <= NEAR, found.distance >= FAR
    return (
        f"{samples.name}: {len(samples.radio)} samples, "
        f"{np.diff(samples.radio.matrix.indptr).mean():.1f} access points each; "
        f"rank correlation {found.correlation(True):+.3f} on one floor, "
        f"{found.correlation(False):+.3f} overall; median affinity "
        f"{np.median(found.affinity[near]):.3f} within {NEAR:g} m, "
        f"{np.median(found.affinity[far]):.3f} beyond {FAR:g} m"
    )


def plot(path: Path, sets: list[tuple[Samples, Pairs]]) -> None:
    """Median affinity and its middle half by distance, a panel for each set."""
    try:
        from matplotlib.figure import Figure

        from gcsa.plots.style import save
    except ImportError as error:
        raise InputError("--plot needs matplotlib (pip install 'gcsa[plots]')") from error
    figure = Figure(figsize=(5 * len(sets), 4), layout="constrained")
    panels = figure.subplots(1, len(sets), sharex=True, sharey=True, squeeze=False)[0]
    for panel, (samples, found) in zip(panels, sets, strict=True):
        floors = (("same floor", found.same_floor, "C0"), ("two floors", ~found.same_floor, "C1"))
        for label, kept, colour in floors:
            _curve(panel, found.distance[kept], found.affinity[kept], label, colour)
        panel.set_title(f"{samples.name}: rank correlation {found.correlation(False):+.2f}")
        panel.set_xlabel("true distance [m]")
        panel.legend(loc="upper right")
    panels[0].set_ylabel("radio affinity")
    save(figure, path, dpi=120)


def _curve(panel, distance: np.ndarray, affinity: np.ndarray, label: str, colour: str) -> None:
    edges = np.arange(0, 24)
    which = np.digitize(distance, edges)
    bins = [i for i in range(1, len(edges)) if (which == i).sum() >= 20]
    low, middle, high = np.array(
        [np.percentile(affinity[which == i], (25, 50, 75)) for i in bins]
    ).T
    centre = edges[np.array(bins) - 1] + 0.5
    panel.scatter(distance[::50], affinity[::50], s=2, color=colour, alpha=0.15, linewidths=0)
    panel.fill_between(centre, low, high, color=colour, alpha=0.3, linewidth=0)
    panel.plot(centre, middle, color=colour, label=label)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="folder that holds db/")
    parser.add_argument("--plot", type=Path, metavar="FILE.png")
    args = parser.parse_args()
    sets = [(samples, pairs(samples)) for samples in read_samples(args.folder)]
    for samples, found in sets:
        print(report(samples, found))
    if args.plot:
        plot(args.plot, sets)


if __name__ == "__main__":
    run_program(main)
