"""Queries with readings and sequences of their own: what is scored, and what is said of it."""

import json

import numpy as np
import pandas as pd
import pytest
from conftest import overrides
from folders import DESC_FN, settings, write_street
from worlds import write_descriptors, write_world

from gcsa import evaluate as program
from gcsa.config import load_config
from gcsa.errors import InputError
from gcsa.evaluate import evaluate
from gcsa.scoring.evaluation import compare
from gcsa.scoring.report import show
from gcsa.scoring.split import prepare

SEQUENCES = "posterior.sequences"


def street(tmp_path, change, **more):
    """A folder scene whose table ``change`` rewrote, as a config."""
    write_street(tmp_path, "s")
    path = tmp_path / "s" / "images.csv"
    change(pd.read_csv(path)).to_csv(path, index=False)
    given = {**settings(tmp_path), "data.val_scenes": "[s]", "train.device": "cpu", **more}
    return load_config(None, overrides(given))


def reported(table, rows=slice(None), metres=30.0):
    """The table with device positions north of the true ones, of some queries."""
    queries = table.index[table["split"] == "query"][rows]
    table.loc[queries, "gps_lat"] = table.loc[queries, "lat"] + metres / 111_340
    table.loc[queries, "gps_lon"] = table.loc[queries, "lon"]
    return table


def test_a_device_position_alone_is_not_scored(tmp_path):
    """Three queries lose their true position: the figures are those of the other seventeen."""

    def lose(table):
        table = reported(table)
        table.loc[table.index[table["split"] == "query"][:3], ["lat", "lon"]] = np.nan
        return table

    config = street(tmp_path, lose)
    result = evaluate(config, method="posterior")
    assert result["not_scored"] == 3 and result["counts"]["queries"] == 20
    assert result["counts"]["with_positives"] == 17
    text = show(result)
    assert "3 queries have no true position: ranked, not scored" in text
    assert text.startswith("own images (folder) with query GPS val, relevant: within 25 m\n")
    scene = prepare(config.data, config.fov, [], "val", 40)[0]
    assert np.isfinite(scene.scene.queries.positions).all(), "they are located all the same"
    whole = evaluate(street(tmp_path, reported), method="posterior")
    assert "not_scored" not in whole and "not scored" not in show(whole)
    assert whole["counts"]["with_positives"] == 20


def test_where_no_query_is_known_nothing_is_scored(tmp_path):
    def lose(table):
        table = reported(table).drop(columns="place")
        table.loc[table["split"] == "query", ["lat", "lon"]] = np.nan
        return table

    with pytest.raises(InputError, match="s: the true positions of its queries are not on disk"):
        evaluate(street(tmp_path, lose))


def test_a_device_position_helps(tmp_path):
    """Looks that say nothing, readings 10 m off: half the reach of the rule."""
    config = street(tmp_path, lambda t: reported(t, metres=10).assign(gps_accuracy=15))
    random = np.random.default_rng(0)
    names = pd.read_csv(tmp_path / "s" / "images.csv")["name"]
    rows = random.normal(size=(len(names), 32))
    write_descriptors(tmp_path / "outputs" / "folder" / "s" / DESC_FN, list(names), rows)
    helped = evaluate(config, method="posterior")
    table = pd.read_csv(tmp_path / "s" / "images.csv").drop(columns=["gps_lat", "gps_lon"])
    table.to_csv(tmp_path / "s" / "images.csv", index=False)
    plain = evaluate(config, method="posterior")
    assert "GPS" not in plain["protocol"]
    assert plain["metrics"]["recall@1"] < 0.8 and helped["metrics"]["recall@1"] == 1


def test_a_place_that_looks_do_not_list(tmp_path):
    """Random looks, lists of 20 of 200: only what is near the device's position has the place."""
    write_street(tmp_path, "s", database=200)
    path = tmp_path / "s" / "images.csv"
    reported(pd.read_csv(path), metres=5).assign(gps_accuracy=8).to_csv(path, index=False)
    (tmp_path / "s" / "radio.csv").unlink()
    names, random = pd.read_csv(path)["name"], np.random.default_rng(0)
    rows = random.normal(size=(len(names), 32))
    write_descriptors(tmp_path / "outputs" / "folder" / "s" / DESC_FN, list(names), rows)
    given = {**settings(tmp_path), "data.val_scenes": "[s]", "train.device": "cpu", "model.K": 20}
    found = {}
    for near in (0, 10):
        config = load_config(None, overrides(given, {"data.near_device": near}))
        found[near] = evaluate(config, method="posterior")["metrics"]["recall@1"]
    assert found[10] == 1 and found[0] < 0.8


def test_msls_says_that_it_knows_gps(tmp_path):
    """The truth of this world is its readings: nearly every query is found. See protocols.md."""
    world = write_world(tmp_path, {"cph": "train_val"})
    more = {"data.val_scenes": "[cph]", "train.device": "cpu", "data.query_gps": True}
    plain, knowing = (
        evaluate(
            load_config(None, overrides(world, {**more, "data.query_gps": known})),
            method="posterior",
        )
        for known in (False, True)
    )
    assert plain["protocol"].startswith("MSLS val cities")
    assert knowing["protocol"].startswith("MSLS with query GPS val cities")
    assert knowing["metrics"]["recall@1"] > max(0.9, plain["metrics"]["recall@1"])


def in_drives(table):
    """Queries in the order of the street, five to a drive."""
    queries = table[table["split"] == "query"].sort_values("lon")
    table.loc[queries.index, "sequence"] = [f"drive {i // 5}" for i in range(len(queries))]
    start = pd.Timestamp("2021-05-01T12:00:00")
    times = [(start + pd.Timedelta(seconds=i)).isoformat() for i in range(len(queries))]
    table.loc[queries.index, "captured_at"] = times
    return table


def test_sequences_are_said(tmp_path):
    config = street(tmp_path, in_drives)
    results = {}
    for mode in ("off", "both", "online"):
        config.posterior.sequences = mode
        results[mode] = evaluate(config, method="posterior")
        first = show(results[mode]).splitlines()[0]
        words = {
            "off": "",
            "both": ", queries help each other within their sequence (both ways)",
            "online": ", queries help each other within their sequence (past frames alone)",
        }
        assert first == f"own images (folder) val, relevant: within 25 m{words[mode]}"
        assert "sequence" not in evaluate(config)["protocol"], "the first round has no sequences"
    assert results["both"]["metrics"] != results["off"]["metrics"] != results["online"]["metrics"]
    assert results["both"]["metrics"] != results["online"]["metrics"]
    assert "past frames alone" in compare(config, [None, "posterior"])["protocol"]


def test_the_option(tmp_path, monkeypatch):
    config = street(tmp_path, in_drives)
    given = {**settings(tmp_path), "data.val_scenes": "[s]", "train.device": "cpu"}

    def ran(*arguments):
        argv = ["evaluate", *arguments, "--json", str(tmp_path / "r.json"), *overrides(given)]
        monkeypatch.setattr("sys.argv", argv)
        program.main()
        return json.loads((tmp_path / "r.json").read_text())

    found = ran("--method", "posterior", "--online")
    config.posterior.sequences = "online"
    assert found["metrics"] == evaluate(config, method="posterior")["metrics"]
    assert "past frames alone" in ran("--compare", "none", "posterior", "--online")["protocol"]
    with pytest.raises(InputError, match="--online: of --method posterior"):
        ran("--online")
    with pytest.raises(InputError, match=f"--online and {SEQUENCES}=both: only one of them"):
        ran("--method", "posterior", "--online", f"{SEQUENCES}=both")


def test_no_sequences_to_help_each_other(tmp_path):
    config = street(tmp_path, lambda t: t, **{SEQUENCES: "both"})
    with pytest.raises(InputError, match="s: posterior.sequences: its queries are of no sequences"):
        evaluate(config, method="posterior")
