"""The line of a report about confidence: right answers counted by loops over positions."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import SMALL, overrides
from picture_worlds import VAL, move_away
from worlds import write_world

from gcsa.config import load_config
from gcsa.evaluate import evaluate
from gcsa.places.calibration import Calibration, to_text
from gcsa.rerankers.fusion import Fusion
from gcsa.scoring.evaluation import measured
from gcsa.scoring.ranker import open_ranker
from gcsa.scoring.report import show


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """Two cities; the first query of each has no relevant image."""
    root = tmp_path_factory.mktemp("confidence")
    world = write_world(root, dict.fromkeys(VAL, "train_val"))
    for city in VAL:
        move_away(root / "datasets" / "msls" / "train_val" / city / "query" / "postprocessed.csv")
    # One drive made each database: it has nothing to calibrate itself by.
    defaults = root / "calibration.yaml"
    defaults.write_text(to_text(Calibration()))
    settings = {"data.val_scenes": "[cph,sf]", "posterior.calibration": str(defaults)}
    return load_config(None, overrides(world, SMALL, settings))


def right(scene, ranking):
    """Whether the first image of each list is within 25 m of the query, one by one."""
    places = scene.scene.database.positions
    return [
        np.hypot(*(places[row[0]] - own)) <= 25
        for row, own in zip(ranking.indices, scene.truth.positions, strict=True)
    ]


def area(sure, correct):
    """Average precision of distinct values by its definition."""
    order = sorted(range(len(sure)), key=lambda i: -sure[i])
    hits = [correct[i] for i in order]
    found = [sum(hits[: i + 1]) / (i + 1) for i, hit in enumerate(hits) if hit]
    return sum(found) / len(found)


def test_confidence_is_held_against_the_first_images(config):
    _, scenes, rankings = measured(open_ranker(config, method="posterior"), "val")
    sure = [float(c) for r in rankings for c in r.confidence]
    correct = [c for s, r in zip(scenes, rankings, strict=True) for c in right(s, r)]
    similarity = [float(s) for scene in scenes for s in scene.candidates.scores[:, 0]]
    first = [c for s in scenes for c in right(s, s.candidates)]
    assert len(set(sure)) == len(set(similarity)) == len(correct) == 40
    assert not correct[0] and not correct[20]  # without a relevant image: wrong, and counted
    tenths = [
        [(s, c) for s, c in zip(sure, correct, strict=True) if int(10 * s) == i] for i in range(11)
    ]
    gaps = [abs(sum(s - c for s, c in tenth)) for tenth in tenths]
    result = evaluate(config, method="posterior")
    found = result["confidence"]
    assert found["ECE"] == pytest.approx(sum(gaps) / 40, abs=1e-6)
    assert found["AUC-PR"] == pytest.approx(area(sure, correct))
    assert found["AUC-PR first round"] == pytest.approx(area(similarity, first))
    assert 0 < found["ECE by chance"] < 0.2
    line = show(result).splitlines()[-1]
    assert line.startswith(f"confidence  ECE {found['ECE']:.3f} (")
    assert f"AUC-PR {found['AUC-PR']:.3f} (first round by similarity" in line


def test_lists_without_an_answer_have_no_such_line(config):
    for options in ({}, {"method": "neighbours"}, {"method": "posterior", "fusion": Fusion(0.5)}):
        result = evaluate(config, **options)
        assert "confidence" not in result and "confidence  " not in show(result)
