"""Calibration recovers what data were drawn from, keeps what they cannot tell, and its text."""

import math
from dataclasses import replace

import numpy as np
import pytest

from gcsa.places import calibration, fitting, samples
from gcsa.places import kernels as relevance
from gcsa.places.calibration import Calibration
from gcsa.places.samples import Database


def drawn(queries, temperature=20.0, sigma=0.2, outliers=0.3, N=40, seed=0):
    """Queries drawn from the model itself: one right candidate, by exp(T s) times the compass."""
    random = np.random.default_rng(seed)
    similarity = random.normal(0.2, 0.1, (queries, N))
    turn = random.uniform(-np.pi, np.pi, (queries, N))
    weight = np.exp(temperature * similarity)
    right = np.array([random.choice(N, p=w / w.sum()) for w in weight])
    each = np.arange(queries)
    good = random.random(queries) > outliers
    turn[each, right] = np.where(good, random.normal(0, sigma, queries), turn[each, right])
    relevant = np.zeros((queries, N), bool)
    relevant[each, right] = True
    distance = np.full((queries, N), 1000.0)
    distance[each, right] = random.rayleigh(6.0, queries)
    rows = np.tile(np.arange(N), (queries, 1))
    return samples.Sample(
        similarity,
        relevant,
        rows >= 0,
        rows,
        np.ones(rows.shape),
        turn,
        distance,
        np.ones(queries),
    )


def test_the_numbers_that_data_were_drawn_from_are_found():
    found = fitting.fit([drawn(3000)], "scenes", 25.0)
    assert found.temperature == pytest.approx(20, rel=0.1)
    assert found.compass_sigma == pytest.approx(0.2, rel=0.15)
    assert found.compass_outliers == pytest.approx(0.3, abs=0.06)
    assert found.spread == pytest.approx(6, rel=0.25)
    assert found.none < -1 and found.queries == 3000 and found.source == "scenes"


def test_few_queries_keep_near_the_defaults():
    few = drawn(8, temperature=200.0)
    start = calibration.adapted(Calibration(), samples.contrast([few]))
    found = fitting.fit([few], "database", 25.0)
    assert start.temperature / 4 < found.temperature < 4 * start.temperature
    assert found.gamma == Calibration().gamma
    assert "few" in calibration.words(found)


def test_a_database_cannot_show_the_error_of_a_compass():
    found = fitting.fit([drawn(1500, sigma=0.02, outliers=0.0)], "database", 25.0)
    assert found.compass_sigma >= fitting.COMPASS_FLOOR
    assert found.compass_outliers >= fitting.OUTLIER_FLOOR


def test_one_visit_is_more_alike_than_a_query_to_come():
    one, unknown = (fitting.fit([drawn(300)], "database", 25.0, sessions=n) for n in (1, 0))
    assert one.temperature == pytest.approx(fitting.ONE_VISIT * unknown.temperature)


def test_radio_tells_what_it_was_drawn_from():
    sample, random = drawn(500), np.random.default_rng(1)
    affinity = np.where(
        sample.relevant,
        random.normal(0.6, 0.1, sample.rows.shape),
        random.normal(0.2, 0.1, sample.rows.shape),
    )
    affinity[:, ::9] = np.nan
    found = fitting.fit([replace(sample, measured={"radio": affinity})], "scenes", 25.0)
    knots, values = map(np.array, found.radio)
    assert (np.diff(values) >= 0).all() and np.interp(0.6, knots, values) > 1
    assert np.interp(0.2, knots, values) < -1 and 0.3 < found.radio_weight < 3


def town(n=120, seed=0):
    """A database of 12 sessions in 40 places whose photos look alike."""
    random = np.random.default_rng(seed)
    place = random.integers(0, 40, n)
    positions = np.stack([50.0 * place, np.zeros(n)], 1) + random.normal(0, 3, (n, 2))
    looks = random.normal(0, 1, (40, 32))[place] + random.normal(0, 0.7, (n, 32))
    looks /= np.linalg.norm(looks, axis=1, keepdims=True)
    near = relevance.near(positions, 5.0, 25.0)
    return Database(positions, near, np.zeros(n), random.integers(0, 12, n)), looks


def rule_of(database):
    def rule(q, rows):
        offset = database.positions[q][:, None] - database.positions[rows]
        return np.hypot(offset[..., 0], offset[..., 1]) <= 25

    return rule


def test_own_queries_leave_out_what_was_taken_together():
    database, looks = town()
    found = samples.own_queries(database, looks, rule_of(database), 50)
    groups = database.groups
    for q in range(len(found.rows)):
        listed = found.rows[q][found.valid[q]]
        assert q not in listed and (groups[listed] != groups[q]).all()
        near = np.abs(database.positions[listed] - database.positions[q])
        assert (found.relevant[q][found.valid[q]] == (np.hypot(*near.T) <= 25)).all()
        left = groups != groups[q]
        away = np.hypot(*(database.positions[listed][:, None] - database.positions).T).T
        count = relevance.disc(away, 5.0, 25.0)[:, left].sum(1)
        assert np.allclose(found.photos[q][found.valid[q]], count, atol=1e-3)
    assert (np.diff(np.where(found.valid, found.similarity, -9), axis=1) <= 0).all()


@pytest.mark.parametrize("columns", [1, 7, 50])
def test_a_database_in_pieces_gives_the_same_sample(columns, monkeypatch):
    database, looks = town()
    whole = samples.own_queries(database, looks, rule_of(database), 50)
    monkeypatch.setattr(samples, "COLUMNS", columns)
    pieces = samples.own_queries(database, looks, rule_of(database), 50)
    np.testing.assert_allclose(pieces.similarity, whole.similarity, atol=1e-6)
    np.testing.assert_allclose(pieces.weight, whole.weight)
    same = pieces.rows == whole.rows
    assert same.mean() > 0.95, "others are equally alike"
    for name in ("relevant", "photos"):
        np.testing.assert_allclose(getattr(pieces, name)[same], getattr(whole, name)[same])


def test_times_leave_out_what_was_taken_within_minutes():
    database, _ = town()
    minutes = np.arange(120) * 60_000_000
    timed = replace(database, groups=None, times=minutes)
    out = timed.together(np.array([50]), np.arange(120))
    assert np.flatnonzero(out).tolist() == list(range(45, 56))
    assert timed.sessions == 1 and database.sessions == 12


def test_a_small_database_calibrates_itself():
    database, looks = town()
    found = samples.own_queries(database, looks, rule_of(database), 100)
    fitted = fitting.fit([found], "database", 25.0, database.sessions)
    chance, none = fitting.chances(found, fitted)
    assert np.allclose(chance.sum(1) + none, 1)
    right = (chance * found.relevant).sum(1)[found.relevant.any(1)]
    assert right.mean() > 0.5 and 1 < fitted.temperature < 100


def test_weights_stand_for_queries_to_come():
    of_all, left = np.array([1, 2, 2, 8, 8, 8]), np.array([0, 1, 1, 6, 6, 6])
    weight = samples.weights(of_all, left)
    assert weight[left > 0].mean() == pytest.approx(1)
    share = weight[0] / weight.sum()
    assert 0 < share <= samples.ELSEWHERE + 1e-9
    assert weight[1] > weight[3]


def test_the_text_comes_back():
    first = replace(Calibration(), temperature=31.5, source="scenes", queries=12, descriptors="ab")
    again = calibration.from_text(calibration.to_text(first))
    assert calibration.to_text(again) == calibration.to_text(first)
    assert again.compass_sigma == pytest.approx(first.compass_sigma)
    assert len(calibration.to_text(first).splitlines()) < 40


@pytest.mark.parametrize(
    "change, named",
    [
        ("temperature: 25.0", "temperature"),
        ("gps_outliers: 0.05", "gps_outliers"),
        ("source: defaults", "source"),
    ],
)
def test_a_broken_text_is_refused(change, named):
    text = calibration.to_text(Calibration())
    with pytest.raises(ValueError, match=named):
        calibration.from_text(text.replace(change, f"{named}: -7"))
    with pytest.raises(ValueError, match="calibration"):
        calibration.from_text(text.replace(named, "tempreature", 1))


def test_words_say_what_was_found():
    text = calibration.words(replace(Calibration(), source="database", queries=500))
    assert "within 20 degrees in 9 of 10" in text and math.isfinite(len(text))
