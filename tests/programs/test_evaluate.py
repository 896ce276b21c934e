"""The report: counts, totals and per scene, against a plain loop over the files' content."""

import json

import numpy as np
import pytest
import torch
from conftest import SMALL, STAGE_2, overrides
from worlds import write_world

from gcsa import evaluate as program
from gcsa.config import as_dict, load_config
from gcsa.datasets.msls import read_scene
from gcsa.errors import InputError
from gcsa.evaluate import evaluate
from gcsa.evaluation.metrics import average_precision_at_k
from gcsa.evaluation.truth import labels, num_relevant
from gcsa.models.checkpoint import load_checkpoint, save_checkpoint
from gcsa.ranking.refine import refine
from gcsa.rerankers.fusion import Fusion, fuse
from gcsa.scoring.comparison import show_comparison
from gcsa.scoring.evaluation import compare
from gcsa.scoring.ranker import as_trained
from gcsa.scoring.report import gist, without_nan
from gcsa.scoring.split import prepare
from gcsa.train import train
from gcsa.training.trainer import build_model


def official(root, outputs, city, desc_fn):
    """Per query: relevant (in ranked order, all of the database) and how many there are."""
    path = outputs / "msls" / city / desc_fn
    scene, truth = read_scene(root / "msls", city, path, "all")
    similarity = (
        np.asarray(scene.queries.descriptors, dtype="f4")
        @ np.asarray(scene.database.descriptors, dtype="f4").T
    )
    rows = []
    for q, scores in enumerate(similarity):
        order = np.argsort(-scores, kind="stable")
        offsets = scene.database.positions[order] - truth.positions[q]
        rows.append(np.hypot(*offsets.T) <= 25)
    return rows


def test_without_re_ranking_by_definition(tmp_path):
    cities = {"cph": "train_val", "sf": "train_val"}
    world = {**write_world(tmp_path, cities), **SMALL, "data.val_scenes": "[]"}
    result = evaluate(load_config(None, overrides(world)))
    rows = {
        city: official(tmp_path / "datasets", tmp_path / "outputs", city, world["data.desc_fn"])
        for city in cities
    }
    everything = rows["cph"] + rows["sf"]
    for part, expected in [(result, everything), *((result["scenes"][c], rows[c]) for c in cities)]:
        found = [r for r in expected if r.any()]
        assert part["counts"]["queries"] == len(expected)
        assert part["counts"]["with_positives"] == len(found)
        assert part["metrics"]["recall@1"] == pytest.approx(np.mean([r[0] for r in found]))
        assert part["metrics"]["recall@20"] == pytest.approx(np.mean([r[:20].any() for r in found]))
        precision = [
            sum(r[: i + 1].mean() for i in np.flatnonzero(r[:10])) / min(10, r.sum()) for r in found
        ]
        assert part["metrics"]["mAP@10"] == pytest.approx(np.mean(precision))
    assert result["counts"]["database"] == 120
    assert "subtask 'all'" in result["protocol"] and "25 m" in result["protocol"]
    assert list(result["scenes"]) == ["cph", "sf"]


def stage_2(world):
    return load_config(None, overrides(world, STAGE_2))


def save(path, config, settings, seed=0):
    scenes = prepare(config.data, config.fov, config.model.affinity, "train", 40)
    torch.manual_seed(seed)
    save_checkpoint(path, build_model(config, scenes), config.model.affinity, settings)


def test_a_checkpoint_brings_its_own_sizes_and_kinds(world, tmp_path):
    config, path = stage_2(world), tmp_path / "c.pth.tar"
    save(path, config, {"config": as_dict(config)})
    plain = load_config(None, overrides(world))  # K, L and kinds of its own: not used
    plain.model.K, plain.model.affinity = 3, []
    first, again = evaluate(config, str(path)), evaluate(plain, str(path))
    assert first == again
    assert first["metrics"] != evaluate(config)["metrics"], "re-ranking does something"


def test_what_geometry_a_checkpoint_is_scored_with(world, tmp_path):
    config, path = stage_2(world), tmp_path / "c.pth.tar"

    def found(*arguments):
        trained = as_trained(load_config(None, arguments), path, arguments)
        unknown = trained.data.unknown_radio
        assert unknown == ("published" if "data.unknown_radio=published" in arguments else own)
        return trained.fov.cutoff, trained.fov.radius, trained.data.heading_convention

    own = "published"  # of the published code: images without radio are far from all
    save(path, config, None)
    assert found() == ("published", 50, "published")
    assert found("fov.cutoff=exact") == ("exact", 50, "published")
    assert found("data.heading_convention=correct") == ("published", 50, "correct")
    own, config.fov.radius = "zero", 33.0
    save(path, config, {"config": as_dict(config)})
    assert found("data.subtask=s2w") == ("exact", 33, "correct")
    assert found("data.unknown_radio=published") == ("exact", 33, "correct")
    assert found("fov.radius=44") == ("exact", 44, "correct")


def test_sizes_that_the_checkpoint_does_not_have(world, tmp_path):
    train(load_config(None, overrides(world, STAGE_2, {"train.num_epochs": 1})), "a")
    path = str(tmp_path / "outputs/training/a/checkpoint_1.pth.tar")
    for setting, has in (
        ("model.affinity=[]", r"\['positional-db', 'heading'\]"),
        ("model.L=7", "20"),
    ):
        given = [*overrides(world), setting]
        with pytest.raises(InputError, match=f"model.*: .* but {path} has {has}; train another"):
            evaluate(load_config(None, given), path, overrides=given)


def test_descriptors_of_another_length(world, tmp_path):
    config = stage_2(world)
    save(tmp_path / "c.pth.tar", config, None)
    write_world(tmp_path, {"cph": "train_val"}, dim=20)
    with pytest.raises(InputError, match="cph: its descriptors have length 20, the model reads 32"):
        evaluate(config, str(tmp_path / "c.pth.tar"))


def test_command_line(world, tmp_path, monkeypatch, capsys):
    settings = overrides(world)
    argv = ["evaluate", *settings[:2], "--json", str(tmp_path / "r.json"), *settings[2:]]
    monkeypatch.setattr("sys.argv", argv)
    program.main()
    printed = capsys.readouterr().out
    result = json.loads((tmp_path / "r.json").read_text())
    assert set(result) == {"protocol", "counts", "metrics", "intervals", "scenes", "places"}
    low, high = result["intervals"]["mAP@10"]
    assert 0 < low < result["metrics"]["mAP@10"] < high <= 1
    lines = {line.split()[0]: line for line in printed.splitlines() if line.strip()}
    assert f"{100 * low:.2f}" in lines["from"] and f"{100 * high:.2f}" in lines["to"]
    assert "95 % interval of the total, bootstrap over 20 queries (2000 resamples" in printed
    assert f"{100 * result['metrics']['mAP@10']:.2f}" in printed
    assert "20 of 20" in printed and gist(result) in printed and result["protocol"] not in printed


def test_reports_are_json_where_there_is_nothing_to_measure():
    part = {"counts": {"queries": 3}, "metrics": {"recall@1": float("nan"), "mAP@1": 0.5}}
    assert without_nan({"intervals": {"mAP@1": [float("nan"), 1.0]}}) == {
        "intervals": {"mAP@1": [None, 1.0]}
    }
    found = json.loads(json.dumps(without_nan({"scenes": {"s": part}}), allow_nan=False))
    assert found["scenes"]["s"]["metrics"] == {"recall@1": None, "mAP@1": 0.5}


def test_no_truth_no_metrics(world, tmp_path):
    for role in ("query", "database"):
        for name in ("raw", "postprocessed"):
            (tmp_path / f"datasets/msls/test/miami/{role}/{name}.csv").unlink()
    with pytest.raises(InputError, match="miami: the true positions of its queries are not on"):
        evaluate(load_config(None, overrides(world)), split="test")
    with pytest.raises(InputError, match="'vall' is not a split .did you mean 'val'"):
        evaluate(load_config(None, overrides(world)), split="vall")
    with pytest.raises(InputError, match="data.dataset: no reader 'mslss'"):
        evaluate(load_config(None, overrides(world, {"data.dataset": "mslss"})))


def precisions(config, ranking, judged):
    """AP@10 of each query, by the rule of the settings."""
    best = ranking.indices[:, :20]
    relevant = labels("dist", judged.scene, judged.truth, best, config.fov)
    numbers = num_relevant("dist", judged.scene, judged.truth, config.fov)
    return average_precision_at_k(relevant, numbers, 10)[numbers > 0]


def by_hand(config, path):
    """The scene, its first round, and the lists of a checkpoint, without the program."""
    model, kinds = load_checkpoint(path)
    (judged,) = prepare(config.data, config.fov, kinds, "val", 40)
    return judged, refine(model, judged.scene, judged.candidates, judged.side)


def test_fusion_with_the_first_round(world, tmp_path):
    config, path = stage_2(world), str(tmp_path / "c.pth.tar")
    save(path, config, {"config": as_dict(config)})
    judged, refined = by_hand(config, path)
    found = {None: evaluate(config, path)}
    for fusion in (Fusion(0.0), Fusion(0.3), Fusion(0.3, "z"), Fusion(1.0)):
        lists = fuse(judged.candidates, refined, fusion.weight, fusion.normalise)
        found[fusion] = evaluate(config, path, fusion=fusion)
        assert found[fusion].pop("fusion") == vars(fusion)
        mean = precisions(config, lists, judged).mean()
        assert found[fusion]["metrics"]["mAP@10"] == pytest.approx(mean, abs=1e-12)
    assert found[Fusion(0.0)] == evaluate(config) and found[Fusion(1.0)] == found[None]
    assert found[Fusion(0.3)]["metrics"] not in (
        found[None]["metrics"],
        evaluate(config)["metrics"],
    )
    with pytest.raises(InputError, match="--fusion: .* --checkpoint or --method is missing"):
        evaluate(config, fusion=Fusion(0.3))


def test_command_line_of_comparisons_and_fusion(world, tmp_path, monkeypatch, capsys):
    config, path = stage_2(world), str(tmp_path / "c.pth.tar")
    save(path, config, {"config": as_dict(config)})

    def ran(*argv):
        file = str(tmp_path / "r.json")
        monkeypatch.setattr("sys.argv", ["evaluate", *argv, "--json", file, *overrides(world)])
        program.main()
        return json.loads(open(file).read()), capsys.readouterr().out

    found, printed = ran("--compare", "none", path, "--fusion", "0.4:z")
    assert found == compare(config, [None, path], fusion=Fusion(0.4, "z"))
    assert f"A: none\nB: {path}\n" in printed
    found, _ = ran("--checkpoint", path, "--fusion", "0.4:z")
    assert found == evaluate(config, path, fusion=Fusion(0.4, "z"))
    assert found["fusion"] == {"weight": 0.4, "normalise": "z"}
    with pytest.raises(InputError, match="--compare and --checkpoint or --method: only"):
        ran("--compare", "none", path, "--checkpoint", path)
    with pytest.raises(InputError, match="--fusion: '2': expected a weight from 0"):
        ran("--checkpoint", path, "--fusion", "2")


def test_two_checkpoints_compared(world, tmp_path):
    config = load_config(
        None,
        overrides(world, STAGE_2, {"train.freeze_input_proj": False, "train.init_proj": "random"}),
    )
    paths = [str(tmp_path / f"{seed}.pth.tar") for seed in (0, 1)]
    for seed, path in enumerate(paths):
        config.train.seed = seed
        save(path, config, {"config": as_dict(config)})
    result = compare(config, paths)
    values = []
    for path, label in zip(paths, "AB", strict=True):
        judged, refined = by_hand(config, path)
        values.append(precisions(config, refined, judged))
        assert result["metrics"][label] == evaluate(config, path)["metrics"]
    gain = values[1] - values[0]
    assert result["difference"]["mAP@10"] == pytest.approx(gain.mean(), abs=1e-12)
    low, high = result["intervals"]["mAP@10"]
    assert low < gain.mean() < high
    # By the normal law, within what 20 queries and 2000 resamples allow.
    assert (high - low) / 2 == pytest.approx(1.96 * gain.std() / len(gain) ** 0.5, rel=0.2)
    assert result["scenes"]["cph"]["difference"] == result["difference"], "the only scene"
    with_none = compare(config, [None, paths[0]])
    assert with_none["metrics"]["A"] == evaluate(config)["metrics"]
    same = compare(config, [paths[0], paths[0]])
    assert set(same["difference"].values()) == {0.0}
    text = show_comparison(result, paths)
    assert f"A: {paths[0]}\nB: {paths[1]}\n" in text
    assert f"{100 * gain.mean():+.2f}" in text and "paired bootstrap over 20 queries" in text
    with pytest.raises(FileNotFoundError, match="gone.pth.tar: no such"):
        compare(config, [None, "gone.pth.tar"])


def test_what_is_compared_is_judged_alike(world, tmp_path):
    config = load_config(None, overrides(world, STAGE_2, {"data.val_labels": "fov"}))
    paths = [str(tmp_path / f"{radius}.pth.tar") for radius in (50, 30)]
    for path, radius in zip(paths, (50.0, 30.0), strict=True):
        config.fov.radius = radius
        save(path, config, {"config": as_dict(config)})
    with pytest.raises(InputError, match="--compare: data.val_labels=fov judges each by the field"):
        compare(config, paths)
    given = [*overrides(world, {"data.val_labels": "fov"}), "fov.radius=40"]
    both = compare(load_config(None, given), paths, overrides=given)
    assert (
        both["metrics"]["A"]
        == evaluate(load_config(None, given), paths[0], overrides=given)["metrics"]
    )
