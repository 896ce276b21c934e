"""What devices report, as evidence in the locator: closed forms of two candidates."""

import math

import numpy as np
import pytest

from gcsa.places.calibration import Calibration
from gcsa.places.locator import Locator
from gcsa.ranking.lists import Ranking
from gcsa.scene import ImageSet, Scene
from gcsa.sideinfo.evidence import ACCURACY_SIGMAS
from gcsa.sideinfo.fov import FovConfig
from gcsa.sideinfo.rules import Rule

# No outliers and no prior of density, so that log-likelihood ratios are those of the densities.
BARE = Calibration(compass_outliers=1e-12, gps_outliers=1e-12, gamma=0.0)


def gap(**queries):
    """Evidence for the first of two candidates over the second, at 0, 0 and 40, 0; (Q,)."""
    names = np.array(["a", "b"])
    rows = np.tile(np.eye(2, 4, dtype=np.float16)[:1], (2, 1))
    database = ImageSet(names, rows, np.array([[0.0, 0], [40, 0]]), np.deg2rad([10.0, 50.0]))
    asked = ImageSet(np.array(["p", "q", "r"]), np.tile(rows[:1], (3, 1)), **queries)
    lists = Ranking(np.array([[0, 1]] * 3), np.ones((3, 2), dtype=np.float32))
    locator = Locator(Scene("s", database, asked), Rule.of("dist"), FovConfig(), BARE)
    total = locator.weigh(lists).total
    return total[:, 0] - total[:, 1]


def test_a_heading_that_is_known_badly_counts_for_less():
    """Headed 10 degrees: 0 and 40 degrees from the candidates' own."""
    stated = np.deg2rad([np.nan, 5.0, 60.0])
    found = gap(headings=np.full(3, np.deg2rad(10.0)), heading_accuracy=stated)
    variance = BARE.compass_sigma**2 + np.nan_to_num(stated) ** 2
    np.testing.assert_allclose(found, math.radians(40) ** 2 / (2 * variance), rtol=1e-6)
    assert found[0] > found[1] > found[2] > 0


def test_a_position_that_is_known_badly_counts_for_less():
    stated = np.array([np.nan, 5.0, 100.0])
    found = gap(positions=np.array([[10.0, 0]] * 3), accuracy=stated)
    sigma = np.where(np.isnan(stated), BARE.gps_accuracy, stated) / ACCURACY_SIGMAS
    variance = sigma**2 + BARE.spread**2
    np.testing.assert_allclose(found, (30**2 - 10**2) / (2 * variance), rtol=1e-6)


def test_nothing_reported_adds_nothing():
    unknown = {"headings": np.full(3, np.nan), "positions": np.full((3, 2), np.nan)}
    assert (gap(**unknown) == 0).all() and (gap() == 0).all()
    accurate = {"accuracy": np.ones(3), "heading_accuracy": np.ones(3)}
    assert (gap(**unknown, **accurate) == 0).all()


@pytest.mark.parametrize("kind", ["accuracy", "heading_accuracy"])
def test_an_accuracy_is_a_positive_number(kind):
    with pytest.raises(ValueError, match=f"queries.{kind}: expected positive numbers"):
        gap(**{kind: np.array([1.0, 0.0, np.nan])})
