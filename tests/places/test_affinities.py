"""Affinities of candidates against loops over pairs: looks, poses, and what is unknown."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from gcsa.places.affinities import MOST, NUMBER, Affinities
from gcsa.places.calibration import Calibration
from gcsa.places.kernels import disc
from gcsa.places.locator import Locator
from gcsa.scene import ImageSet, Scene
from gcsa.sideinfo.fov import FovConfig
from gcsa.sideinfo.rules import Rule

N, K, M, REACH = 30, 9, 4, 25.0


@pytest.fixture
def scene():
    random = np.random.default_rng(0)

    def images(count, prefix, **known):
        rows = random.normal(size=(count, 16))
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        names = np.array([f"{prefix}{i}" for i in range(count)])
        headings = random.uniform(-3, 3, count)
        headings[::7] = np.nan
        return ImageSet(names, rows.astype(np.float16), headings=headings, **known)

    positions = random.uniform(0, 80, (N, 2))
    positions[::9], positions[5] = np.nan, 5000.0
    return Scene(
        "s", images(N, "d", positions=positions, sequences=np.arange(N) // 4), images(3, "q")
    )


def affinities(scene) -> Affinities:
    return Locator(scene, Rule.of("dist"), FovConfig(), Calibration()).affinities


def lists(random):
    """Rows (3, K), the last ones of the second list padded, and the columns of keys (3, M)."""
    rows = np.stack([random.permutation(N)[:K] for _ in range(3)])
    rows[1, -3:] = -1
    top = np.stack([random.permutation(K - 3)[:M] for _ in range(3)])
    top[1, -1] = K - 1
    return rows, top


def expected_looks(scene, rows, top):
    """Of one list (K, M): inner products of two different images, standardised over them."""
    described = scene.database.descriptors.astype(np.float64)
    found = np.full((K, M), np.nan)
    for k, m in np.ndindex(K, M):
        if k != top[m] and min(rows[k], rows[top[m]]) >= 0:
            found[k, m] = described[rows[k]] @ described[rows[top[m]]]
    found = (found - np.nanmean(found)) / np.nanstd(found)
    return np.nan_to_num(found.clip(-MOST, MOST))


def test_looks_are_standardised_over_pairs_of_two_images(scene):
    rows, top = lists(np.random.default_rng(1))
    found = affinities(scene).between(torch.from_numpy(rows), torch.from_numpy(top))
    for b in range(3):
        np.testing.assert_allclose(
            found[b, NUMBER["looks"]], expected_looks(scene, rows[b], top[b]), atol=1e-4
        )


def test_looks_that_differ_in_the_third_digit_alone_are_told_apart(scene):
    rows, top = lists(np.random.default_rng(1))
    described = 40 * scene.database.descriptors[0] + scene.database.descriptors.astype(np.float64)
    described /= np.linalg.norm(described, axis=1, keepdims=True)
    scene = replace(scene, database=replace(scene.database, descriptors=described))
    found = affinities(scene).between(torch.from_numpy(rows), torch.from_numpy(top))
    expected = [expected_looks(scene, rows[b], top[b]) for b in range(3)]
    np.testing.assert_allclose(found[:, NUMBER["looks"]], expected, atol=5e-3)


def test_images_that_are_all_alike_stand_apart_in_nothing(scene):
    alike = np.repeat(scene.database.descriptors[:1], N, axis=0)
    scene = replace(scene, database=replace(scene.database, descriptors=alike))
    rows, top = lists(np.random.default_rng(1))
    found = affinities(scene).between(torch.from_numpy(rows), torch.from_numpy(top))
    assert found[:, NUMBER["looks"]].abs().max() < 0.1


def test_poses_are_those_of_each_pair(scene):
    rows, top = lists(np.random.default_rng(2))
    found = affinities(scene).between(torch.from_numpy(rows), torch.from_numpy(top))
    positions, headings = scene.database.positions, scene.database.headings
    for b, k, m in np.ndindex(3, K, M):
        one, other = rows[b, k], rows[b, top[b, m]]
        pair = {name: found[b, number, k, m].item() for name, number in NUMBER.items()}
        if min(one, other) < 0:
            assert not any(pair.values())
            continue
        away = float(np.hypot(*(positions[one] - positions[other])))
        placed = math.isfinite(away)
        assert pair["itself"] == (k == top[b, m]) and pair["placed"] == placed
        assert pair["together"] == (one // 4 == other // 4)
        near = math.exp(-away / REACH) if placed else 0.0
        assert pair["near"] == pytest.approx(near, abs=1e-5)
        far = math.log1p(away / REACH) / 3 if placed else 0.0
        assert pair["far"] == pytest.approx(far, rel=1e-5)
        rule = disc(np.array(away), Calibration().spread, REACH).item() if placed else 0.0
        # Its table has spreads that are up to 1.5 % off.
        assert pair["kernel"] == pytest.approx(rule, abs=6e-3)
        turn = headings[one] - headings[other]
        assert pair["headed"] == math.isfinite(turn)
        cosine = math.cos(turn) if math.isfinite(turn) else 0.0
        assert pair["facing"] == pytest.approx(cosine, abs=1e-5)


def test_a_query_faces_its_candidates(scene):
    rows, _ = lists(np.random.default_rng(3))
    found = affinities(scene).with_query(torch.arange(3), torch.from_numpy(rows))
    turn = scene.queries.headings[:, None] - scene.database.headings[np.maximum(rows, 0)]
    turn[rows < 0] = np.nan
    np.testing.assert_array_equal(found[:, NUMBER["headed"]], np.isfinite(turn))
    np.testing.assert_allclose(found[:, NUMBER["facing"]], np.nan_to_num(np.cos(turn)), atol=1e-6)
