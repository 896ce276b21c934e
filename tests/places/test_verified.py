"""Local features as evidence: which candidates are verified, and what that does."""

from dataclasses import replace

import numpy as np
import pytest

from gcsa.places.calibrating import calibrated, mark_of
from gcsa.places.calibration import Calibration, from_text, to_text, words
from gcsa.places.fitting import inliers_density
from gcsa.places.samples import Sample
from gcsa.places.verified import SHARE, verified
from gcsa.ranking.lists import Ranking
from gcsa.rerankers.posterior import PosteriorConfig, posterior
from gcsa.scene import ImageSet, Scene
from gcsa.sideinfo.evidence import Table
from gcsa.sideinfo.fov import FovConfig
from gcsa.sideinfo.rules import Rule

TABLE = Table(np.array([0.0, 10.0]), np.array([-1.0, 4.0]))
RULE, FOV = Rule.of("dist@5"), FovConfig()


class Asked:
    """Inliers (Q, N) by table, and how often each was asked for."""

    def __init__(self, inliers):
        self.inliers, self.count = np.array(inliers, dtype=float), np.zeros(np.shape(inliers))

    def __call__(self, query, column):
        self.count[query, column] += 1
        return self.inliers[query, column]


def test_the_first_is_asked_and_those_that_could_overtake_it():
    total = np.log([[0.6, 0.3, 0.1 * np.exp(-9)]])
    ask = Asked([[10, 0, 10]])
    found = verified(total, ask, TABLE, 50)
    # The first one gains 4: nothing may gain the 4.7 that the second would need.
    assert ask.count.tolist() == [[1, 0, 0]] and found.tolist() == [[4, 0, 0]]


def test_a_first_without_inliers_lets_others_be_asked():
    total = np.log([[0.6, 0.3, 0.1]])
    ask = Asked([[0, 10, 0]])
    found = verified(total, ask, TABLE, 50)
    assert found.tolist() == [[-1, 4, 0]] and ask.count.tolist() == [[1, 1, 0]]
    assert (total + found).argmax() == 1


def test_at_most_so_many_and_each_once():
    random = np.random.default_rng(0)
    ask = Asked(np.zeros((20, 30)))
    verified(random.normal(size=(20, 30)) * 0.1, ask, TABLE, 7)
    assert (ask.count.sum(axis=1) == 7).all() and ask.count.max() == 1


@pytest.mark.parametrize("seed", range(5))
def test_no_candidate_left_out_would_overtake_by_its_share(seed):
    random = np.random.default_rng(seed)
    total = 3 * random.normal(size=(30, 12))
    total[:5, 8:] = -np.inf  # padding
    ask = Asked(random.uniform(0, 10, (30, 12)))
    found = verified(total, ask, TABLE, 50)
    seen = ask.count > 0
    assert not seen[:5, 8:].any() and (found[~seen] == 0).all()
    best = np.where(seen, total + found, -np.inf).max(axis=1)
    left = np.where(seen, -np.inf, total).max(axis=1)
    assert (left + SHARE * 4 <= best)[~seen.all(axis=1)].all()


def test_unknown_inliers_say_nothing():
    assert verified(np.zeros((1, 2)), Asked([[np.nan, np.nan]]), TABLE, 9).tolist() == [[0, 0]]


class Painted:
    """Inliers of images by the place that stands in their names."""

    about = "painted"

    def inliers(self, a, b):
        same = np.array([x.split("-")[0] == y.split("-")[0] for x, y in zip(a, b, strict=True)])
        return np.where(same, 40.0, 5.0)


@pytest.fixture
def street():
    """20 places 20 m apart, two visits each; looks of pairs of places are nearly the same."""
    random = np.random.default_rng(4)
    looks = random.normal(size=(10, 16)).repeat(2, axis=0)
    rows = np.concatenate([looks, looks, looks]) + 0.5 * random.normal(size=(60, 16))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    places = np.tile(np.arange(20), 3)
    names = np.array([f"{place}-{i}" for i, place in enumerate(places)])
    positions = np.column_stack([20.0 * places, np.zeros(60)])
    visits = np.repeat(np.arange(2), 20).astype(np.int64)
    database = ImageSet(names[:40], rows[:40], positions[:40], sequences=visits)
    queries = ImageSet(names[40:], rows[40:])
    return Scene("street", database, queries), places


def first_round(scene):
    alike = scene.queries.descriptors @ scene.database.descriptors.T
    order = np.argsort(-alike, axis=1)
    scores = np.take_along_axis(alike, order, 1).astype(np.float32)
    return Ranking(order.astype(np.int64), scores)


def test_inliers_tell_look_alikes_apart(street):
    scene, places = street
    seen, right = replace(scene, local=Painted()), {}
    for name, known, verify in (("off", scene, 50), ("none", seen, 0), ("on", seen, 50)):
        calibration = calibrated(known, RULE, FOV, 39)
        config = PosteriorConfig(verify=verify)
        found = posterior(known, first_round(known), config, RULE, FOV, calibration)
        right[name] = (places[:40][found.indices[:, 0]] == places[40:]).mean()
    assert right["off"] == right["none"] < 0.9
    assert right["on"] == 1


def test_calibration_knows_the_inliers_and_its_file_keeps_them(street):
    scene, _ = street
    found = calibrated(replace(scene, local=Painted()), RULE, FOV, 39)
    knots, values = found.inliers
    assert np.interp(5, knots, values) < 0 < np.interp(40, knots, values)
    again = from_text(to_text(found))
    assert np.allclose(again.inliers[1], values, rtol=0.01)
    assert "matches of local features" in words(found)
    plain = calibrated(scene, RULE, FOV, 39)
    assert plain.inliers == Calibration().inliers and plain.temperature == found.temperature


def test_a_calibration_of_before_is_read():
    lines = to_text(Calibration()).splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("inliers"))
    stop = next(i for i, line in enumerate(lines) if line.startswith("step"))
    assert from_text("\n".join(lines[:start] + lines[stop:])).inliers == Calibration().inliers


def test_a_calibration_is_made_anew_with_other_features(street):
    scene, _ = street
    marks = [mark_of(s, RULE, FOV, 9) for s in (scene, replace(scene, local=Painted()))]
    assert marks[0] != marks[1]


def test_density_is_that_of_known_ones():
    """Counts drawn of two Poisson laws: the ratio at their means is the true one, about."""
    random = np.random.default_rng(5)
    relevant = random.random((4000, 20)) < 0.3
    counts = np.where(
        relevant, random.poisson(22, relevant.shape), random.poisson(12, relevant.shape)
    )
    blank = np.zeros(relevant.shape)
    sample = Sample(
        blank,
        relevant,
        ~relevant | relevant,
        blank,
        blank,
        blank,
        blank,
        blank[:, 0],
        {"inliers": counts.astype(float)},
    )
    knots, values = inliers_density([sample])
    for low, high in ((14, 17), (20, 25)):
        share = [np.mean((counts[m] >= low) & (counts[m] < high)) for m in (relevant, ~relevant)]
        assert np.interp((low + high) / 2, knots, values) == pytest.approx(
            np.log(share[0] / share[1]), abs=0.02
        )


def test_verify_below_0_is_one_line():
    with pytest.raises(Exception, match="posterior.verify: -1 is less than 0"):
        PosteriorConfig(verify=-1).check()
