"""python -m gcsa.pairs and gcsa.pairs_from_poses on little data sets."""

import logging

import numpy as np
import pytest
from conftest import SMALL, STAGE_2, overrides
from folders import settings, write_street
from worlds import write_world

from gcsa import pairs as program
from gcsa.config import load_config
from gcsa.datasets.hloc import read_pairs, write_pairs
from gcsa.datasets.readers import reader
from gcsa.errors import InputError
from gcsa.localization.pairs_files import padded, read_candidates
from gcsa.models.checkpoint import load_checkpoint
from gcsa.pairs import pairs
from gcsa.pairs_from_poses import Settings, pairs_from_poses
from gcsa.ranking.refine import refine
from gcsa.ranking.retrieval import retrieve
from gcsa.rerankers.fusion import Fusion, fuse
from gcsa.sideinfo.affinity import SideInformation
from gcsa.sideinfo.fov import FovConfig
from gcsa.train import train


@pytest.fixture
def street(tmp_path):
    write_street(tmp_path, "east", 2)
    return {**SMALL, **settings(tmp_path), "data.val_scenes": "[east]"}


def config_of(*parts):
    return load_config(None, overrides(*parts))


def scene_of(config, name="east"):
    return reader(config.data).read(config.data, name, "val")


def lists(path, scene):
    queries, database = read_pairs(path)
    return [database[queries == name].tolist() for name in scene.queries.names]


def test_label_files_are_not_read(street, tmp_path):
    with pytest.raises(InputError, match="data.candidates=labels: gcsa pairs reads no label files"):
        pairs(config_of(street, {"data.candidates": "labels"}), str(tmp_path / "p.txt"))


def test_without_a_checkpoint_it_is_the_first_round(street, tmp_path, caplog):
    config = config_of(street)
    with caplog.at_level(logging.INFO):
        paths = pairs(config, str(tmp_path / "p_{scene}.txt"), num=7)
    assert paths == [tmp_path / "p_east.txt"] and "140 pairs of 20 queries" in caplog.text
    scene, _ = scene_of(config)
    best = retrieve(scene, 7).indices
    assert lists(paths[0], scene) == scene.database.names[best].tolist()


@pytest.fixture
def checkpoint(street, tmp_path):
    own = {"data.train_scenes": "[east]", "train.num_epochs": 1, "model.K": 20, "model.L": 10}
    train(config_of(street, STAGE_2, {"train.freeze_input_proj": False}, own), "a")
    return str(tmp_path / "outputs" / "training" / "a" / "checkpoint_1.pth.tar")


def test_pairs_of_hloc_are_reranked(street, tmp_path, checkpoint):
    """Lists of hloc, one of them short and one missing, against the model called by hand."""
    config = config_of(street)
    scene, _ = scene_of(config)
    indices = retrieve(scene, 30).indices[:, 5:]
    query, column = np.nonzero(np.ones_like(indices))
    kept = (query != 3) & ~((query == 4) & (column > 2))
    query, image = query[kept], indices[query[kept], column[kept]]
    first = tmp_path / "hloc.txt"
    write_pairs(first, scene.queries.names[query], scene.database.names[image])
    (path,) = pairs(config, str(tmp_path / "p.txt"), checkpoint, num=25,
                    from_pairs=str(first), scores=str(tmp_path / "s.txt"))  # fmt: skip
    model, kinds = load_checkpoint(checkpoint)
    candidates = padded(read_candidates(first, scene), 25)
    side = SideInformation(scene, kinds, FovConfig())
    expected = refine(model, scene, candidates, side)
    found = lists(path, scene)
    names = [scene.database.names[r[r >= 0]].tolist() for r in expected.indices]
    assert found == names and found != lists(first, scene)
    assert [len(f) for f in found[2:6]] == [25, 0, 3, 25]
    assert [sorted(f) for f in found] == [sorted(f) for f in lists(first, scene)]
    assert [f[20:] for f in found] == [f[20:] for f in lists(first, scene)], "beyond K as it was"
    back = read_candidates(tmp_path / "s.txt", scene, scored=True)
    np.testing.assert_array_equal(back.scores, expected.scores)
    # Lists shorter than what the model reads.
    write_pairs(first, scene.queries.names, scene.database.names[indices[:, 0]])
    (path,) = pairs(config, str(tmp_path / "p.txt"), checkpoint, from_pairs=str(first))
    assert path.read_bytes() == first.read_bytes()


def test_fusion_with_the_first_round(street, tmp_path, checkpoint):
    config, output = config_of(street), str(tmp_path / "p.txt")
    scene, _ = scene_of(config)
    first = retrieve(scene, 20)
    model, kinds = load_checkpoint(checkpoint)
    refined = refine(model, scene, first, SideInformation(scene, kinds, FovConfig()))
    (path,) = pairs(config, output, checkpoint, fusion=Fusion(0.4, "z"))
    expected = fuse(first, refined, 0.4, "z").indices
    assert lists(path, scene) == scene.database.names[expected].tolist()
    assert (expected != refined.indices).any() and (expected != first.indices).any()
    with pytest.raises(InputError, match="--fusion: .* --checkpoint or --method is missing"):
        pairs(config, output, fusion=Fusion())


def test_command_line(street, tmp_path, checkpoint, monkeypatch):
    output, given = str(tmp_path / "p.txt"), {"fusion": Fusion(0.4, "z"), "min_similarity": 0.1}
    options = ["--checkpoint", checkpoint, "--fusion", "0.4:z", "--min_similarity", "0.1"]
    own = overrides({k: v for k, v in street.items() if not k.startswith("model.")})
    monkeypatch.setattr("sys.argv", ["pairs", *options, "--output", output, *own])
    program.main()
    (path,) = pairs(config_of(street), str(tmp_path / "q.txt"), checkpoint, **given)
    (plain,) = pairs(config_of(street), str(tmp_path / "r.txt"), checkpoint)
    assert path.read_text() == open(output).read() != plain.read_text()


def test_pairs_that_hloc_leaves_out(street, tmp_path, caplog):
    """hloc takes the best of what is not below 0; with --min_similarity 0 so do we."""
    caplog.set_level(logging.INFO)
    config, output = config_of(street), str(tmp_path / "p.txt")
    scene, _ = scene_of(config)
    rows = [np.asarray(s.descriptors[:], dtype=np.float32) for s in (scene.queries, scene.database)]
    similarity = rows[0] @ rows[1].T
    negative = int((similarity < 0).sum())
    assert 0 < negative < similarity.size
    (path,) = pairs(config, output, num=60)
    assert len(read_pairs(path)[0]) == 1200, "all are written"
    said = f"east: {negative} of 1200 candidates have a similarity below 0; hloc leaves these out"
    assert said in caplog.text
    for least in (0, 0.2):
        (path,) = pairs(config, output, num=60, min_similarity=least)
        for found, row in zip(lists(path, scene), similarity, strict=True):
            order = np.argsort(-row, kind="stable")
            assert found == scene.database.names[order[row[order] >= least]].tolist()
        below = int((similarity < least).sum())
        assert (
            f"{below} of 1200 candidates left out, their similarity is below {least}" in caplog.text
        )
    with pytest.raises(
        InputError, match="--min_similarity: of our own retrieval; a pairs file has"
    ):
        pairs(config, output, from_pairs=str(path), min_similarity=0.0)
    caplog.clear()
    pairs(config, output, from_pairs=str(path))
    assert "similarity" not in caplog.text, "a pairs file has none"


def test_what_is_left_out_is_not_re_ranked(street, tmp_path, checkpoint):
    """The same as re-ranking the pairs file that hloc would have written."""
    config = config_of(street)
    (first,) = pairs(config, str(tmp_path / "first.txt"), num=60, min_similarity=0)
    (path,) = pairs(config, str(tmp_path / "a.txt"), checkpoint, num=60, min_similarity=0)
    (same,) = pairs(config, str(tmp_path / "b.txt"), checkpoint, num=60, from_pairs=str(first))
    assert path.read_bytes() == same.read_bytes() != first.read_bytes()


def test_any_data_set_a_file_a_scene(tmp_path):
    world = {**write_world(tmp_path, {"cph": "train_val", "sf": "train_val"}), **SMALL}
    config = config_of(world, {"data.val_scenes": "[cph,sf]"})
    with pytest.raises(InputError, match="--output: .* is one file for 2 scenes; write {scene}"):
        pairs(config, str(tmp_path / "p.txt"))
    with pytest.raises(InputError, match="--from_pairs: .* is one file for 2 scenes"):
        pairs(config, str(tmp_path / "{scene}.txt"), from_pairs="x.txt")
    for paths in (
        pairs(config, str(tmp_path / "{scene}" / "p.txt"), num=3),
        pairs_from_poses(config, str(tmp_path / "{scene}" / "m.txt")),
    ):
        assert [p.parent.name for p in paths] == ["cph", "sf"]
        assert all(len(read_pairs(path)[0]) >= 60 for path in paths)


def test_more_than_there_are(street, tmp_path):
    (path,) = pairs(config_of(street), str(tmp_path / "p.txt"), num=500)
    assert len(read_pairs(path)[0]) == 20 * 60
    with pytest.raises(InputError, match="--num: 0 is less than 1"):
        pairs(config_of(street), str(tmp_path / "p.txt"), num=0)
    with pytest.raises(FileNotFoundError, match="none.txt: no such file"):
        pairs(config_of(street), str(tmp_path / "p.txt"), from_pairs=str(tmp_path / "none.txt"))


@pytest.mark.parametrize("of", ["database", "query"])
def test_from_poses(street, tmp_path, of):
    config = config_of(street)
    (tmp_path / "outputs" / "folder" / "east" / "global-feats-test.h5").unlink()
    scene, truth = reader(config.data).read(config_of(street, {"data.desc_fn": '""'}).data, "east",
                                            "val")  # fmt: skip
    (path,) = pairs_from_poses(config, str(tmp_path / "p.txt"), "val", Settings("distance", of, 4))
    names = scene.queries.names if of == "query" else scene.database.names
    places = truth.positions if of == "query" else scene.database.positions
    queries, database = read_pairs(path)
    for name, place in zip(names, places, strict=True):
        metres = np.linalg.norm(scene.database.positions - place, axis=1)
        metres[scene.database.names == name] = np.inf
        nearest = [j for j in np.argsort(metres)[:4] if metres[j] <= 25]
        assert database[queries == name].tolist() == scene.database.names[nearest].tolist()
    (path,) = pairs_from_poses(config, str(tmp_path / "o.txt"), "val", Settings(of=of))
    assert set(read_pairs(path)[0]) == set(names)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"by": "overlp"}, "--by: 'overlp' is not a choice .did you mean 'overlap'"),
        ({"of": "queries"}, "--of: 'queries' is not a choice"),
        ({"num": 0}, "--num: 0"),
        ({"threshold": 1.0}, "--threshold: 1.0 is not a share"),
        ({"by": "distance", "threshold": -1.0}, "--threshold: -1.0 is not metres"),
        ({"turn": 190.0}, "--turn: 190.0"),
    ],
)
def test_settings_that_cannot_be(options, message):
    with pytest.raises(InputError, match=message):
        Settings(**options)


def test_poses_that_are_not_known(street, tmp_path):
    table = tmp_path / "east" / "images.csv"
    table.write_text("name,x,y,split\na,1,1,database\nb,,,query\n")
    (tmp_path / "east" / "radio.csv").unlink()
    config, output = config_of(street), str(tmp_path / "p.txt")
    with pytest.raises(InputError, match="positions of its queries are not known"):
        pairs_from_poses(config, output, settings=Settings("distance", "query"))
    with pytest.raises(InputError, match="need headings"):
        pairs_from_poses(config, output)
    pairs_from_poses(config, output, settings=Settings("distance"))
    assert len(read_pairs(output)[0]) == 0
    table.write_text("name,x,y,place\na,,,p\nb,,,p\n")
    with pytest.raises(InputError, match="positions of its database are not known"):
        pairs_from_poses(config, output)


def test_pairs_across_all_scenes(tmp_path, caplog, monkeypatch):
    cities = {"cph": "train_val", "sf": "train_val"}
    paths = write_world(tmp_path, cities, dim=16)
    words = [f"{key}={value}" for key, value in paths.items()]
    out, scores = tmp_path / "p.txt", tmp_path / "s.txt"
    more = ["--num", "5", "--output", str(out), "--scores", str(scores), "--across"]
    monkeypatch.setattr("sys.argv", ["gcsa pairs", *more, *words, "data.val_scenes=[cph,sf]"])
    with caplog.at_level(logging.INFO):
        program.main()
    assert "cph: the first images of 20 queries are " in caplog.text
    config = load_config(overrides=[*words, "data.val_scenes=[cph,sf]"])
    scenes = [scene_of(config, name)[0] for name in cities]
    queries, images = read_pairs(out)
    names = np.concatenate([np.char.add(f"{s.name}/", s.database.names) for s in scenes])
    rows = np.concatenate([np.asarray(s.database.descriptors, "f4") for s in scenes])
    for scene in scenes:
        similarity = np.asarray(scene.queries.descriptors, "f4") @ rows.T
        best = names[np.argsort(-similarity, axis=1)[:, :5]]
        for query, expected in zip(scene.queries.names, best, strict=True):
            assert set(images[queries == f"{scene.name}/{query}"]) == set(expected)
    assert len(scores.read_text().splitlines()) == 200
    argv = ["gcsa pairs", *more, *words, "data.val_scenes=[cph,sf]"]
    monkeypatch.setattr("sys.argv", [*argv, "--min_similarity", "0"])
    with pytest.raises(InputError, match="--across and --min_similarity: lists of one scene's own"):
        program.main()
    monkeypatch.setattr("sys.argv", [*argv, "--method", "posterior"])
    program.main()
    again, others = read_pairs(out)
    assert set(again) == set(queries) and len(others) == len(images)
    assert list(others) != list(images) and set(others) <= set(names)
