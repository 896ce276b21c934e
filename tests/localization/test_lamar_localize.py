"""Rigs, and the localisation program, on tests/captures.py's scene."""

import json
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from captures import write_scene
from hloc_inputs import write_hloc
from scipy.spatial.transform import Rotation
from worlds import write_descriptors

from gcsa.config import load_config
from gcsa.datasets.lamar.scene import read_map, read_queries, read_scene
from gcsa.errors import InputError
from gcsa.localization import hloc_run
from gcsa.localization import localize as program
from gcsa.localization.hloc_files import (
    read_pairs,
    read_query_list,
    read_submission,
    result_names,
    write_results,
)
from gcsa.localization.located import Settings, draw_curve, localize_scene, report, show
from gcsa.localization.pairs_files import write_candidates
from gcsa.localization.poses import Poses
from gcsa.localization.rigs import Device, retrieved_poses
from gcsa.models.checkpoint import save_checkpoint
from gcsa.models.gcsa import GCSA
from gcsa.ranking.lists import Ranking
from gcsa.ranking.refine import refine
from gcsa.ranking.retrieval import retrieve
from gcsa.rerankers.fusion import Fusion, fuse
from gcsa.sideinfo.affinity import SideInformation
from gcsa.sideinfo.fov import FovConfig

FIELDS = ("rotations", "positions")


def random_poses(n, seed=0):
    random = np.random.default_rng(seed)
    rotations = Rotation.from_quat(random.normal(size=(n, 4))).as_matrix()
    return Poses(rotations, random.normal(scale=20, size=(n, 3)))


def same(a, b, atol=1e-9):
    np.testing.assert_allclose(a.rotations, b.rotations, atol=atol)
    np.testing.assert_allclose(a.positions, b.positions, atol=atol)


@pytest.fixture
def hall(tmp_path):
    """A scene with descriptors, whose queries look like their nearest map image, more or less."""
    write_scene(tmp_path / "datasets/lamar/CAB")
    scene, truth = read_scene(tmp_path / "datasets/lamar", "CAB")
    random = np.random.default_rng(1)
    looks = random.normal(size=(len(scene.database), 32))
    offsets = truth.positions[:, None] - scene.database.positions
    nearest = np.linalg.norm(offsets, axis=-1).argmin(axis=1)
    queries = looks[nearest] + random.normal(size=(len(nearest), 32)) * 1.5
    names = [*scene.database.names, *scene.queries.names]
    tests, _ = read_scene(tmp_path / "datasets/lamar", "CAB", "test")
    names += tests.queries.names.tolist()
    others = random.normal(size=(len(tests.queries), 32))
    path = tmp_path / "outputs/lamar/CAB/d.h5"
    write_descriptors(path, names, np.concatenate([looks, queries, others]))
    return tmp_path


def folder_of(hall):
    return hall / "datasets/lamar/CAB"


def test_the_cameras_of_a_rig_agree_on_its_pose(hall):
    """Each camera's true pose as its one proposal: the rig's pose is that of the file."""
    for part in read_queries(folder_of(hall), "val"):
        device, session = Device.of(part, 0), part.session
        rows = [
            np.flatnonzero(
                (session.alignment.timestamps == t) & (session.alignment.device_ids == d)
            )
            for t, d in zip(device.timestamps, device.ids, strict=True)
        ]
        truth = session.alignment
        expected = Poses.from_quaternions(truth.quaternions, truth.translations)
        expected = expected[np.concatenate(rows)]
        scores = np.zeros((len(device.rows), 1))
        for method in ("top1", "mean"):
            rigs = device.rig_poses(device.views.poses[:, None], scores, method)
            same(rigs, expected, atol=1e-6)
            same(device.camera_poses(rigs), device.views.poses, atol=1e-6)
        assert len(device.rows) == len(device.ids) * (4 if device.name == "hololens" else 1)


def test_a_rig_survives_its_most_certain_camera_being_wrong(hall):
    part = read_queries(folder_of(hall), "val", ["hololens"])[0]
    device = Device.of(part, 0)
    proposals = device.views.poses[:, None]
    wrong = np.arange(len(device.rows)) % 4 == 1
    proposals = Poses(proposals.rotations.copy(), proposals.positions.copy())
    proposals.positions[wrong] += 100
    scores = np.tile([0.88, 0.9, 0.85, 0.8], len(device.ids))[:, None]
    mean = device.camera_poses(device.rig_poses(proposals, scores, "mean"))
    same(mean, device.views.poses, atol=1e-6)
    best = device.rig_poses(proposals, scores, "top1")  # trusts the best score
    assert (np.linalg.norm(device.camera_poses(best).positions, axis=1) > 50).all()


def test_retrieved_poses_end_where_a_list_does():
    ranking = Ranking(np.array([[2, 0, -1]]), np.array([[0.9, 0.8, -np.inf]], dtype="f4"))
    poses, scores = retrieved_poses(random_poses(4), ranking, 3)
    assert poses.known.tolist() == [[True, True, False]] and scores.shape == (1, 3)
    np.testing.assert_array_equal(poses.positions[0, 0], random_poses(4).positions[2])
    np.testing.assert_array_equal(poses.positions[0, 1], random_poses(4).positions[0])


def test_errors_of_one_scene_by_a_plain_loop(hall, tmp_path):
    scene, truth = read_scene(hall / "datasets/lamar", "CAB")
    random = np.random.default_rng(3)
    indices = np.stack([random.permutation(20)[:6] for _ in scene.queries.names])
    scores = np.sort(random.random(indices.shape), axis=1)[:, ::-1].astype("f4")
    rankings = {"first_round": Ranking(indices, scores)}
    settings = Settings(tmp_path / "out", 5, "top1")
    located = localize_scene(scene, rankings, folder_of(hall), "val", settings)
    rotations, positions = read_map(folder_of(hall)).poses()
    phone, row = read_queries(folder_of(hall), "val", ["phone"])[0], 0
    for rotation, position in zip(*phone.poses(), strict=True):
        d = indices[row, 0]
        angle, metres = (e[row] for e in located["phone"].errors["first_round"])
        apart = Rotation.from_matrix(rotations[d].T @ rotation).magnitude()
        assert angle == pytest.approx(np.rad2deg(apart), abs=1e-6)
        assert metres == pytest.approx(np.linalg.norm(positions[d] - position))
        row += 1
    lens = read_queries(folder_of(hall), "val", ["hololens"])[0]
    first = row
    for q in range(len(lens.session.queries.timestamps)):
        own = np.flatnonzero(lens.queries == q)
        best = own[scores[first + own, 0].argmax()]  # this camera takes its candidate's pose
        metres = located["hololens"].errors["first_round"][1]
        distance = np.linalg.norm(positions[indices[first + best, 0]] - lens.poses()[1][best])
        assert metres[best] == pytest.approx(distance, abs=1e-6)
    queries, database = read_pairs(tmp_path / "out/CAB/phone/pairs_first_round.txt")
    assert queries.tolist() == np.repeat(phone.names, 5).tolist()
    assert (
        database.tolist() == scene.database.names[indices[: len(phone.rows), :5]].ravel().tolist()
    )
    names, cameras = read_query_list(tmp_path / "out/CAB/hololens/queries.txt")
    assert names == lens.names.tolist() and cameras[0].params == (500.5, 500, 320, 240)


def test_report_by_device_and_in_total():
    errors = {
        ("CAB", "phone"): {"first_round": (np.array([0.5, 9.0]), np.array([0.05, 0.05]))},
        ("CAB", "hololens"): {"first_round": (np.array([2.0]), np.array([0.5]))},
        ("LIN", "phone"): {"first_round": (np.array([np.inf]), np.array([np.inf]))},
    }
    result = report(errors, "val", Settings(Path("x"), 10, "top1"))
    rows = {label: part["first_round"] for label, part in result["results"].items()}
    assert list(rows)[-1] == "total" and rows["total"]["cameras"] == 4
    assert rows["total"]["recall"] == {"1deg_0.1m": 1 / 4, "5deg_1m": 2 / 4}
    assert rows["all phone"]["recall"] == {"1deg_0.1m": 1 / 3, "5deg_1m": 1 / 3}
    assert rows["all phone"]["cdf"]["0.25m"] == 2 / 3 and rows["LIN phone"]["cdf"]["10m"] == 0
    text = show(result)
    assert "total, first round" in text and "25.00" in text
    assert "strictly" in show(result, verbose=True) and "strictly" not in text


def test_no_curve_without_truth(tmp_path):
    with pytest.raises(InputError, match="--curve: no true poses"):
        draw_curve([{}], tmp_path / "c.png")


def run(monkeypatch, hall, *options):
    (hall / "c.yaml").write_text(
        f"data: {{dataset: lamar, root: {hall}/datasets, outputs: {hall}/outputs, desc_fn: d.h5, "
        "val_scenes: [CAB], test_scenes: [CAB]}"
    )
    argv = ["localize", "--conf", str(hall / "c.yaml"), "--output", str(hall / "out"), *options]
    monkeypatch.setattr("sys.argv", [*argv, "train.device=cpu"])
    program.main()


def checkpoint(hall):
    import torch

    from gcsa.models.checkpoint import save_checkpoint
    from gcsa.models.gcsa import GCSA

    torch.manual_seed(0)
    sizes = dict(input_dim=32, proj_dim=8, output_dim=8, K=12, L=6, num_layers=1, num_heads=2)
    model = GCSA(**sizes, aff_dim=0, input_dropout_p=0.0, attn_dropout_p=0.0)
    save_checkpoint(hall / "m.pth.tar", model, [])
    return str(hall / "m.pth.tar")


def test_program(hall, monkeypatch, capsys):
    files = ["--checkpoint", checkpoint(hall), "--json", str(hall / "r.json"), "--submission"]
    more = ["--curve", str(hall / "curve.png")]
    run(monkeypatch, hall, *files, "--method", "mean", "--num", "5", *more, "--scenes", "CAB")
    assert (hall / "curve.png").read_bytes().startswith(b"\x89PNG")
    printed, result = capsys.readouterr().out, json.loads((hall / "r.json").read_text())
    assert show(result) in printed
    assert set(result["results"]["total"]) == {"first_round", "reranked"}
    assert result["results"]["total"]["reranked"]["cameras"] == 20
    first, after = (result["results"]["total"][tag]["cdf"] for tag in ("first_round", "reranked"))
    assert first != after and first["10m"] > 0.2
    _, content = read_submission(hall / "out/submission.zip")
    times, ids, poses = content["CAB", "hololens"]
    assert set(ids) == {"hl_2/hetrig"} and len(times) == 4 and poses.known.all()
    assert "hloc.localize_sfm" in (hall / "out/hloc_commands.sh").read_text()
    run(monkeypatch, hall, *files[:2], "--method", "mean", "--num", "5")
    names, database = read_pairs(hall / "out/CAB/phone/pairs_reranked.txt")
    assert len(names) == 4 * 5 and not np.array_equal(
        database, read_pairs(hall / "out/CAB/phone/pairs_first_round.txt")[1]
    )


def test_test_split_has_nothing_to_measure(hall, monkeypatch, capsys):
    run(monkeypatch, hall, "--split", "test", "--method", "top1", "--submission")
    assert "no true poses" in capsys.readouterr().out
    assert set(read_submission(hall / "out/submission.zip")[1]) == {
        ("CAB", "phone"),
        ("CAB", "hololens"),
    }


def test_hloc_is_asked_for_and_lacks(hall, monkeypatch, capsys):
    monkeypatch.setattr(hloc_run, "available", lambda: False)
    with pytest.raises(InputError, match="--method hloc: hloc or pycolmap is not installed; the"):
        run(monkeypatch, hall, "--method", "hloc", "--features", "/f/{scene}.h5")
    printed = capsys.readouterr().out
    assert "python -m hloc.localize_sfm --reference_sfm '<COLMAP model of the map>'" in printed
    assert f"--queries '{hall}/out/CAB/hololens/queries.txt'" in printed
    assert "--features '/f/CAB.h5'" in printed and "match_features" in printed
    run(monkeypatch, hall, "--method", "auto")
    assert "poses: mean, top 10" in capsys.readouterr().out
    monkeypatch.setattr(hloc_run, "available", lambda: True)
    with pytest.raises(InputError, match="--reference_sfm, --features and --matches are needed"):
        run(monkeypatch, hall, "--method", "hloc")
    for wrong in (["--method", "hlok"], ["--num", "0"], ["--split", "train"]):
        with pytest.raises(InputError, match=f"^{wrong[0]}: "):
            run(monkeypatch, hall, *wrong)
    with pytest.raises(InputError, match="localisation is for lamar, not 'msls'"):
        run(monkeypatch, hall, "data.dataset=msls")


def test_hloc_is_run(hall, monkeypatch, capsys):
    """A stand-in for hloc that knows the true poses: what it is called with, and what is read."""
    truth, calls = {}, []
    for part in read_queries(folder_of(hall), "val"):
        truth |= {n: Poses(*part.poses())[[i]] for i, n in enumerate(part.names)}

    def main(reference_sfm, queries, retrieval, features, matches, results, **options):
        calls.append((str(reference_sfm), str(features), str(matches), options))
        names, _ = read_query_list(queries)
        assert set(read_pairs(retrieval)[0]) == set(names)
        for name in names[:-1]:  # the last query of a list fails
            write_results(
                str(results) + name.replace("/", "-"), result_names([name], 1), truth[name]
            )
        parts = [Path(str(results) + n.replace("/", "-")).read_text() for n in names[:-1]]
        results.write_text("\n".join(parts))

    monkeypatch.setattr(hloc_run, "available", lambda: True)
    monkeypatch.setitem(sys.modules, "hloc", types.ModuleType("hloc"))
    stand_in = types.ModuleType("hloc.localize_sfm")
    stand_in.main = main
    monkeypatch.setitem(sys.modules, "hloc.localize_sfm", stand_in)
    paths = [f"--{n}={hall}/{n}_{{scene}}" for n in ("reference_sfm", "features", "matches")]
    write_hloc(hall)
    run(monkeypatch, hall, *paths, "--json", str(hall / "r.json"))
    assert calls[0] == (
        *(str(hall / f"{name}_CAB") for name in ("reference_sfm", "features", "matches")),
        {"prepend_camera_name": True},
    )
    results = json.loads((hall / "r.json").read_text())["results"]
    # A phone query that fails is wrong; a rig has three other cameras.
    assert results["CAB phone"]["first_round"]["recall"]["1deg_0.1m"] == 3 / 4
    assert results["CAB hololens"]["first_round"]["recall"]["1deg_0.1m"] == 1
    assert "poses: hloc" in capsys.readouterr().out
    (hall / "matches_CAB").unlink()
    with pytest.raises(InputError, match="matches_CAB: no such file, which hloc is to read"):
        run(monkeypatch, hall, *paths)
    calls.clear()
    write_hloc(hall, matched=False)
    with pytest.raises(InputError, match="matches_CAB: no matches of 40 of 40 pairs.*match these"):
        run(monkeypatch, hall, *paths)
    assert not calls


def test_fusion_with_the_first_round(hall, tmp_path, monkeypatch, capsys):
    """Weight 0 is the first round, weight 1 the re-ranking; between them the lists are fused."""
    torch.manual_seed(0)
    model = GCSA(32, 32, 16, 12, 6, 1, 2, 0, 0.0, 0.0)
    checkpoint = str(tmp_path / "c.pth.tar")
    save_checkpoint(checkpoint, model, [])
    roots = [f"data.root={hall}/datasets", f"data.outputs={hall}/outputs", "data.desc_fn=d.h5"]
    given = [*roots, "data.dataset=lamar", "data.val_scenes=[CAB]", "train.device=cpu"]
    config = load_config(None, given)

    def written(fusion):
        settings = Settings(tmp_path / "out", method="mean", fusion=fusion)
        program.localize(config, checkpoint, "val", settings)
        folder = tmp_path / "out/CAB/phone"
        return [(folder / f"pairs_{t}.txt").read_text() for t in ("first_round", "reranked")]

    first, refined = written(None)
    assert written(Fusion(0.0)) == [first, first] != [first, refined]
    assert written(Fusion(1.0)) == [first, refined]
    scene, _ = read_scene(hall / "datasets/lamar", "CAB", "val", hall / "outputs/lamar/CAB/d.h5")
    lists = retrieve(scene, 12)
    again = refine(model.eval(), scene, lists, SideInformation(scene, [], FovConfig()))
    fused = fuse(lists, again, 0.5)
    write_candidates(tmp_path / "p.txt", scene, fused, 10)
    pairs = set((tmp_path / "p.txt").read_text().splitlines())
    assert set(written(Fusion(0.5))[1].splitlines()) <= pairs
    half = written(Fusion(0.5))
    run(monkeypatch, hall, "--checkpoint", checkpoint, "--fusion", "0.5", "--method", "mean")
    assert "re-ranking fused with the first round, weight 0.5, min-max" in capsys.readouterr().out
    assert (hall / "out/CAB/phone/pairs_reranked.txt").read_text() == half[1]
    with pytest.raises(InputError, match="--fusion: .* --checkpoint or --method is missing"):
        program.localize(config, None, "val", Settings(tmp_path / "out", fusion=Fusion()))
