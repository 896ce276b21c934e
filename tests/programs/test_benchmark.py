"""The comparison of re-rankers: figures, candidates, costs, tables."""

import csv
import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from benchmark_worlds import CPU, KINDS, checkpoint, mean_ap
from conftest import overrides
from landmarks import DIM, write_landmarks

from gcsa.benchmark import __main__ as program
from gcsa.benchmark import benchmark, compare
from gcsa.benchmark.contenders import Trained, Views, contenders
from gcsa.benchmark.cost import MARKS, measure
from gcsa.benchmark.tables import Comparison, Row, csv_text, markdown, picture
from gcsa.benchmark.tuning import training_scenes
from gcsa.config import as_dict, load_config
from gcsa.descriptors.memory import keep_freed_memory
from gcsa.errors import InputError
from gcsa.evaluate import evaluate
from gcsa.models.checkpoint import load_checkpoint, save_checkpoint
from gcsa.models.csa import CSA
from gcsa.rerankers import NAMES, RERANKERS
from gcsa.rerankers.fusion import fuse
from gcsa.rerankers.similarity import FromDescriptors
from gcsa.scoring.ranker import rerank
from gcsa.scoring.split import prepare


@pytest.fixture
def config(world):
    return load_config(None, overrides(world, {"data.num_workers": 0}))


@pytest.fixture(autouse=True)
def small_grids(monkeypatch):
    """The grids themselves are tested with the re-rankers."""
    grids = {"alpha-qe": {"k": [1, 3, 9], "alpha": [0.0, 3.0]}, "dba": {"k": [6, 2]}}
    for name, grid in grids.items():
        monkeypatch.setitem(RERANKERS, name, replace(RERANKERS[name], grid=grid))


def by_name(result):
    return {row.name: row for row in result.rows}


def test_every_row_is_what_the_method_gives(config, tmp_path):
    file = checkpoint(tmp_path / "c.pth.tar", config)
    result = benchmark(config, {"Net": file}, methods=["alpha-qe", "dba"], tune_queries=9)
    names = ["no re-ranking", "alpha-qe", "dba", "Net", "Net + first round"]
    assert [row.name for row in result.rows] == names
    (scene,) = prepare(config.data, config.fov, KINDS, "val", 40)
    model = load_checkpoint(file)[0]
    refined = rerank(model, [scene], config.data)[0]
    rows, similarity = by_name(result), FromDescriptors(scene.scene)
    rankings = {
        name: RERANKERS[name].rerank(
            similarity, scene.candidates, RERANKERS[name].config(**rows[name].settings, K=40)
        )
        for name in ("alpha-qe", "dba")
    }
    fused = fuse(scene.candidates, refined, **rows["Net + first round"].settings)
    rankings |= {"no re-ranking": scene.candidates, "Net": refined, "Net + first round": fused}
    for name, ranking in rankings.items():
        expected = mean_ap(scene.scene, scene.truth, ranking)
        assert rows[name].metrics["mAP@10"] == pytest.approx(expected), name
    whole = evaluate(config, file)
    assert rows["Net"].metrics == {**whole["metrics"], **whole["places"]}
    assert len({row.metrics["mAP@20"] for row in result.rows}) == len(names)


def test_without_tuning_the_defaults(config):
    result = benchmark(config, tune_queries=0, candidates=10)
    settings = {name: {**row.settings, "K": 0} for name, row in by_name(result).items()}
    for name, method in RERANKERS.items():
        assert settings[name] == vars(method.config())
    assert result.source == "defaults, not tuned"


def test_all_re_rank_the_same_candidates(config, tmp_path):
    a = checkpoint(tmp_path / "a.pth.tar", config)
    b = checkpoint(tmp_path / "b.pth.tar", config, K=30)
    with pytest.raises(
        InputError, match="the checkpoints re-rank 30 and 40 candidates; --candidates"
    ):
        benchmark(config, {"a": a, "b": b}, tune_queries=0, methods=[])
    result = benchmark(config, {"a": a, "b": b}, methods=["dba"], candidates=10, tune_queries=0)
    assert result.num == 10 and len(result.rows) == 6
    recall = [row.metrics["recall@10"] for row in result.rows]
    assert len(set(recall)) == 1, "the first ten are the same images, in another order"
    assert len({row.metrics["mAP@10"] for row in result.rows}) > 3
    assert benchmark(config, {"b": b}, tune_queries=0, methods=[]).num == 30
    assert benchmark(config, tune_queries=0, methods=["dba"]).num == 100


class Counted:
    """Inliers by chance; who counts them anew is told."""

    about, begun = "by chance", 0

    def inliers(self, a, b):
        return np.random.default_rng(0).poisson(9, len(a)).astype(np.float64)

    def anew(self):
        Counted.begun += 1
        return Counted()


def test_what_one_method_counted_is_no_gift_to_the_next(config, monkeypatch):
    read = compare.prepare

    def prepare(*given):
        return [replace(s, scene=replace(s.scene, local=Counted())) for s in read(*given)]

    monkeypatch.setattr(compare, "prepare", prepare)
    found = benchmark(config, methods=["geometric", "posterior"], candidates=10, tune_queries=0)
    assert [row.name for row in found.rows[1:]] == ["geometric", "posterior"]
    assert Counted.begun == 2


def test_all_of_them_have_the_number(config):
    """Beyond it first-round order stays, whatever the method."""
    (scene,) = prepare(config.data, config.fov, [], "val", 20)
    entrants = contenders(None, [], 7, CPU, config)
    # There are no local features.
    assert [c.name for c in entrants] == [name for name in NAMES if name != "geometric"]
    for contender in entrants:
        found = contender.start(scene)(**contender.settings).indices
        assert (found[:, 7:] == scene.candidates.indices[:, 7:]).all()
        assert (np.sort(found[:, :7]) == np.sort(scene.candidates.indices[:, :7])).all()


def test_a_checkpoint_reads_the_scenes_in_its_own_convention(config):
    """Once each, and all have the same candidates."""
    read = []

    def scenes(convention):
        read.append(convention)
        return prepare(config.data, config.fov, [], "val", 20)

    published = replace(config, data=replace(config.data, heading_convention="published"))
    views = Views(scenes, "correct")
    one, two = Trained("a", None, KINDS, published), Trained("b", None, [], config)
    plain, ((a,), (b,)) = views.of(None)[0], (views.of(one), views.of(two))
    assert read == ["correct", "published"] and views.of(one)[0] is a
    assert b.scene is plain.scene and a.scene is not plain.scene
    assert (a.candidates.indices == plain.candidates.indices).all()


def test_cost_of_what_is_known(monkeypatch):
    """64 MB held and freed, and 3 seconds, whatever the warm-up took."""
    size, now, done = 64 << 20, [0.0], []
    keep_freed_memory()  # as after a network has run: freed blocks stay with the process
    monkeypatch.setattr("gcsa.benchmark.cost.time.perf_counter", lambda: now[0])

    def work(what, seconds):
        done.append(what)
        now[0] += seconds
        return np.ones(size // 8).sum()

    for _ in range(2):
        result, cost = measure(lambda: work("work", 3), lambda: work("warm-up", 20), CPU)
        assert result == size // 8 and cost.seconds == 3
        if MARKS.exists():
            assert 0.95 * size <= cost.memory < 1.2 * size  # counted in batches of pages
        else:
            assert cost.memory is None
    assert done == 2 * ["warm-up", "work"]


def test_cost_on_a_gpu(monkeypatch):
    """What torch allocates, above what was there; the time until the GPU is done."""
    now, calls = [0.0], []
    fakes = {
        "reset_peak_memory_stats": lambda device: calls.append("reset"),
        "memory_allocated": lambda device: 100,
        "max_memory_allocated": lambda device: 350,
        "synchronize": lambda device: now.__setitem__(0, now[0] + 4),
    }
    for name, fake in fakes.items():
        monkeypatch.setattr(f"torch.cuda.{name}", fake)
    monkeypatch.setattr("gcsa.benchmark.cost.time.perf_counter", lambda: now[0])
    work, warm_up = (lambda: calls.append("work")), (lambda: calls.append("warm-up"))
    cost = measure(work, warm_up, torch.device("cuda"))[1]
    assert (cost.memory, cost.seconds, calls) == (250, 4, ["reset", "warm-up", "work"])


def test_files_and_tables(config, tmp_path, monkeypatch, capsys, world):
    folder, file = tmp_path / "out", checkpoint(tmp_path / "c.pth.tar", config)
    argv = ["benchmark", *overrides(world)[:3], "--checkpoint", f"My net={file}", "--methods"]
    argv += [
        "alpha-qe,icfrr",
        "--output",
        str(folder),
        "--tune_queries",
        "5",
        *overrides(world)[3:],
    ]
    monkeypatch.setattr("sys.argv", argv)
    program.main()
    printed = capsys.readouterr().out
    assert printed == (folder / "benchmark.md").read_text()
    assert (folder / "benchmark.png").read_bytes().startswith(b"\x89PNG")
    rows = list(csv.DictReader(io.StringIO((folder / "benchmark.csv").read_text())))
    names = ["no re-ranking", "alpha-qe", "icfrr", "My net", "My net + first round"]
    assert [row["method"] for row in rows] == names
    for row in rows[1:]:
        assert float(row["milliseconds"]) > 0 and (not MARKS.exists() or int(row["memory"]) >= 0)
        line = next(x for x in printed.splitlines() if x.startswith(f"| {row['method']} |"))
        assert f"| {100 * float(row['mAP@10']):.2f} |" in line and row["parameters"] in line
    assert rows[0]["milliseconds"] == rows[0]["memory"] == ""
    expected = evaluate(config)["metrics"]
    assert {name: float(rows[0][name]) for name in expected} == expected
    assert "relevant: within 25 m" in printed and "5 training queries" in printed


def test_landmarks_by_their_own_protocols_with_csa(tmp_path):
    write_landmarks(tmp_path)
    data = {"data.root": tmp_path, "data.dataset": "roxford5k", "data.val_scenes": "[gem-b]"}
    config = load_config(None, overrides(data, {"train.device": "cpu", "data.num_workers": 0}))
    model = CSA(DIM, 32, K=12, L=9, num_layers=1, num_heads=4, mlp_dim=64)
    save_checkpoint(tmp_path / "csa", model, [], {"config": as_dict(config)})
    result = benchmark(config, {"CSA": str(tmp_path / "csa")}, methods=["alpha-qe"], tune_queries=0)
    rows = by_name(result)
    assert result.num == 12 and len(rows) == 4 and "medium mAP" in markdown(result)
    assert rows["no re-ranking"].metrics == evaluate(config)["metrics"]
    assert rows["CSA"].metrics == evaluate(config, str(tmp_path / "csa"))["metrics"]
    assert picture(result).axes[0].get_ylabel() == "medium mAP (%)"


def test_a_table_by_hand():
    rows = [Row("no re-ranking", {"mAP": 0.25}), Row("a", {"mAP": 0.5}, 1.234, 3 << 20, {"k": 2})]
    result = Comparison(
        rows, "P", {"queries": 3, "with_positives": 2, "database": 9}, 7, "S", "cpu"
    )
    assert "| a | 50.00 | 1.23 | 3 | k=2 |\n" in markdown(result)
    assert "| no re-ranking | 25.00 |  |  |  |\n" in markdown(result)
    assert csv_text(result).splitlines()[1:] == ["no re-ranking,0.25,,,", "a,0.5,1.234,3145728,k=2"]


def test_the_first_round_is_a_line_inside_the_picture():
    """Below all points, or above."""
    for level in (0.1, 0.9):
        rows = [Row("no re-ranking", {"mAP@10": level})]
        rows += [Row(name, {"mAP@10": q}, t, 0) for name, q, t in (("a", 0.5, 1), ("b", 0.6, 3))]
        axes = picture(Comparison(rows, "P", {}, 7, "S", "cpu")).axes[0]
        low, high = axes.get_ylim()
        assert low < 10 < 60 < high if level == 0.1 else low < 50 < 90 < high
        assert any(set(line.get_ydata()) == {100 * level} for line in axes.lines)
        assert {"no re-ranking", "a", "b"} <= {text.get_text() for text in axes.texts}


def test_what_is_asked_for_wrongly(config, tmp_path):
    file = checkpoint(tmp_path / "c.pth.tar", config)
    for entry in ("file", "=file", "name="):
        with pytest.raises(InputError, match=f"--checkpoint: '{entry}': expected NAME=FILE"):
            program.checkpoint_files([entry])
    with pytest.raises(InputError, match="--checkpoint: 'a' is named twice"):
        program.checkpoint_files(["a=b", "a=c"])
    with pytest.raises(InputError, match="two methods are called 'dba'"):
        benchmark(config, {"dba": file}, methods=["dba"])
    with pytest.raises(InputError, match="no re-ranker 'dbaa' .did you mean 'dba'"):
        benchmark(config, methods=["dbaa"])
    with pytest.raises(InputError, match="--candidates: 0 is less than 1"):
        benchmark(config, candidates=0)
    with pytest.raises(InputError, match="--tune_queries: -1 is less than 0"):
        benchmark(config, tune_queries=-1)
    nothing = replace(config, data=replace(config.data, dataset="roxford5k", train_scenes=[]))
    with pytest.raises(InputError, match="--no_tuning"):
        training_scenes(nothing, 10, 10, CPU)
