"""The report of a run: its figures against other programs and plain loops, its parts as HTML."""

import json
import re
import shutil
import subprocess
import sys
from datetime import date
from html.parser import HTMLParser

import numpy as np
import pytest
from conftest import overrides
from picture_worlds import trained_world

import gcsa
from gcsa.config import load_config
from gcsa.datasets.msls import read_scene
from gcsa.errors import InputError, MissingFileError
from gcsa.evaluate import evaluate
from gcsa.places.calibration import Calibration, to_text
from gcsa.report import __main__ as program
from gcsa.report.origin import commit_of, written
from gcsa.report.outcomes import by_k, changes, study
from gcsa.report.runs import differences, open_run, validated_on
from gcsa.report.tables import comparison, results
from gcsa.scoring.confidence import show_confidence
from gcsa.train import train

NAME = "a<b>&'c"
EMPTY = {"meta", "link", "img", "input", "br"}  # tags without an end


class Page(HTMLParser):
    """Every start tag with its attributes; an end tag must end the last open one."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.text = [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def of_class(self, name):
        return [a for _, a in self.tags if name in (a.get("class") or "").split()]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """The folder of a little world, and that of a run whose name needs escaping."""
    root = tmp_path_factory.mktemp("report")
    trained_world(root, name=NAME)
    return root, root / "outputs" / "training" / NAME


@pytest.fixture(scope="module")
def outcome(world):
    run = open_run(str(world[1]))
    return study(run.config, str(run.checkpoint), "val")


@pytest.fixture(scope="module")
def text(world):
    """The HTML of the run's report."""
    return write(world[1], "--output", world[0] / "page.html")


def write(folder, *arguments):
    """Run the program; returns the text of the file that it writes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["report", str(folder), *map(str, arguments)])
        program.main()
    output = arguments[arguments.index("--output") + 1] if "--output" in arguments else None
    return (output or folder / "report.html").read_text(encoding="utf-8")


def rows_of(page, outcome):
    """The attributes of the rows of the query browser: the last of the page's articles."""
    return page.of_class("query")[-len(changes(outcome.scenes)) :]


def test_lists_and_gains_by_definition(outcome):
    """AP@10 of both lists from positions alone, with loops."""
    found = {(c.scene, c.query): c for c in changes(outcome.scenes)}
    for number, scene in enumerate(outcome.scenes):
        places, own = scene.scene.database.positions, scene.truth.positions
        for query in range(len(own)):
            near = {i for i, p in enumerate(places) if np.hypot(*(p - own[query])) <= 25}
            if not near:
                assert (number, query) not in found
                continue
            change, values = found.pop((number, query)), []
            for top in (scene.first, scene.reranked):
                hits, total = 0, 0.0
                for rank, row in enumerate(top.indices[query, :10], start=1):
                    if row in near:
                        hits += 1
                        total += hits / rank
                values.append(total / min(10, len(near)))
            assert (change.before, change.after) == pytest.approx(tuple(values))
            assert change.gain == pytest.approx(values[1] - values[0])
            expected = "gained" if change.gain > 1e-9 else "lost" if change.gain < -1e-9 else None
            assert change.kind == (expected or "unchanged")
    assert not found


def test_most_changed_come_first(outcome):
    sizes = [abs(c.gain) for c in changes(outcome.scenes)]
    assert sizes == sorted(sizes, reverse=True) and sizes[0] > 0


def test_figures_are_those_of_the_evaluation(world, outcome):
    run = open_run(str(world[1]))
    plain, refined = evaluate(run.config), evaluate(run.config, str(run.checkpoint))
    assert outcome.first == plain
    assert outcome.reranked == refined
    curves = by_k(outcome.scenes)
    for name, result in (("first round", plain), ("re-ranked", refined)):
        assert len(curves[name]) == 2 * 20
        assert {k: curves[name][k] for k in result["metrics"]} == pytest.approx(result["metrics"])


def test_the_page_says_what_was_measured(outcome, text):
    page = Page(text)
    said = "".join(page.text)
    assert outcome.first["protocol"] in said and NAME in said and NAME not in text
    for result in (outcome.first, outcome.reranked):
        for value in (*result["metrics"].values(), *result["scenes"]["sf"]["metrics"].values()):
            assert f"{100 * value:.2f}" in said
    counts = outcome.first["counts"]
    assert f"{counts['with_positives']} of {counts['queries']}" in said
    assert f"All {counts['with_positives']} queries that have a relevant image" in said
    assert "positional-db, heading" in said and page.of_class("warning") == []
    kinds = [c.kind for c in changes(outcome.scenes)]
    highlights = min(5, kinds.count("gained")) + min(5, kinds.count("lost"))
    assert len(page.of_class("query")) == len(kinds) + highlights


def test_rows_hold_what_the_filters_ask(outcome, text):
    rows = rows_of(Page(text), outcome)
    for row, change in zip(rows, changes(outcome.scenes), strict=True):
        scene = outcome.scenes[change.scene]
        assert row["data-scene"] == scene.scene.name and row["data-change"] == change.kind
        assert float(row["data-gain"]) == pytest.approx(change.gain, abs=1e-6)
        for key, top in (("data-first", scene.first), ("data-reranked", scene.reranked)):
            best = scene.scene.database.positions[top.indices[change.query, 0]]
            near = np.hypot(*(best - scene.truth.positions[change.query])) <= 25
            assert row[key] == ("right" if near else "wrong")
            shown = scene.scene.database.names[top.indices[change.query, :10]]
            assert all(name.lower() in row["data-names"] for name in shown)
        assert scene.scene.queries.names[change.query].lower() in row["data-names"]


def test_nothing_in_the_page_comes_from_elsewhere(text):
    page = Page(text)
    for tag, attributes in page.tags:
        for key in ("src", "href", "srcset", "action", "poster"):
            assert (attributes.get(key) or "#")[0] == "#" or attributes[key] == "data:,", tag
        assert tag not in ("iframe", "object", "embed", "base")
        assert tag != "link" or attributes["rel"] == "icon"
    names = [a["id"] for _, a in page.tags if a.get("id")]
    assert len(names) == len(set(names))
    assert all(a.get("alt") for tag, a in page.tags if tag == "img")


def thumbnails_of(text):
    start = text.index('id="thumbnails">') + len('id="thumbnails">')
    return json.loads(text[start : text.index("</script>", start)])


def test_images_are_once_in_the_page_and_missing_ones_are_said(world, text, caplog):
    root, folder = world
    numbers = {a["data-t"] for tag, a in Page(text).tags if tag == "img"}
    assert len(set(thumbnails_of(text))) == len(thumbnails_of(text)) == len(numbers)
    scene, _ = read_scene(root / "datasets" / "msls", "cph")
    lost = root / "datasets" / "msls" / "train_val" / "cph" / str(scene.queries.names[1])
    content = lost.read_bytes()
    try:
        lost.write_bytes(b"not a picture")
        less = write(folder, "--output", root / "less.html")
    finally:
        lost.write_bytes(content)
    said = f"1 of {len(numbers)} images cannot be read, the first is {lost}"
    page = Page(less)
    assert said in caplog.messages and said in "".join(page.text) and page.of_class("blank")
    assert len(thumbnails_of(less)) == len(numbers) - 1


def test_a_cap_and_other_runs(world):
    root, folder = world
    other = {"model.affinity": "[heading]", "data.val_scenes": "[cph]", "train.seed": 3}
    train(load_config(folder / "config.yaml", overrides(other)), "other")
    where = f"data.outputs={root / 'outputs'}"
    options = ["--max_queries", 4, "--output", root / "capped.html"]
    page = Page(write(NAME, "--compare", "other", where, *options))
    said = "".join(page.text)
    assert "The 4 most changed of" in said and "(--max_queries 4)" in said
    assert "Validated on other data: other." in said and "Ablations" in said
    runs = [open_run(n, [where]) for n in (NAME, "other")]
    assert differences(runs) == [
        {"data.val_scenes": ["cph", "sf"], "model.affinity": ["positional-db", "heading"],
         "train.seed": 0},
        {"data.val_scenes": ["cph"], "model.affinity": ["heading"], "train.seed": 3},
    ]  # fmt: skip
    assert validated_on(runs[0]) != validated_on(runs[1])
    assert runs[1].best == max(runs[1].rows[1:], key=lambda r: r["mAP@10"])
    table = "|".join(Page(comparison(runs)).text)
    for run in runs:
        best = [run.best[f"{m}@{k}"] for m in ("recall", "mAP") for k in (1, 5, 10, 20)]
        values = "|".join(f"{100 * v:.2f}" for v in (*best, run.rows[0]["mAP@10"]))
        assert f"1 of 1|{values}|" in table


def test_other_data_than_in_training_is_said(world, caplog):
    root, folder = world
    write(folder, "--output", root / "o.html", "data.val_labels=fov")
    assert len(caplog.messages) == 1 and "in metrics.csv: the data, or" in caplog.messages[0]


def test_runs_that_are_not_there(world, tmp_path):
    root, folder = world
    with pytest.raises(MissingFileError, match="a<b&'c: no run, .*did you mean 'a<b>"):
        open_run("a<b&'c", [f"data.outputs={root / 'outputs'}"])
    with pytest.raises(MissingFileError, match="x: no run, neither as a folder nor in"):
        open_run("x", [f"data.outputs={tmp_path}"])
    for name in ("config.yaml", "metrics.csv"):
        shutil.copy(folder / name, tmp_path)
    with pytest.raises(MissingFileError, match="neither checkpoint_best.pth.tar nor checkpoint_1"):
        _ = open_run(str(tmp_path)).checkpoint


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--max_queries", "-1"], "--max_queries: -1 is less than 0"),
        (["--checkpoint", "no.tar"], "no.tar: no such file"),
        (["--compare", "nobody"], "nobody: no run"),
        (["data.val_labels=fov", "fov.radius=0.001"], "'val': no query has a relevant image"),
        (["--split", "vall"], "did you mean 'val'"),
    ],
)
def test_wrong_arguments_are_one_line(world, arguments, message):
    with pytest.raises(InputError, match=message) as caught:
        write(world[1], *arguments)
    assert "\n" not in str(caught.value)


def test_says_when_and_by_what_it_was_written(tmp_path, text):
    def git(*words):
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        done = subprocess.run(
            ["git", "-C", tmp_path, *who, *words], check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    assert f"gcsa {gcsa.__version__}" in written() and f"<p>{written()}</p>" in text
    assert written(date(2026, 6, 1)).startswith("Written on 2026-06-01 by gcsa ")
    git("init", "-q")
    (tmp_path / "a").write_text("1")
    git("add", "a")
    git("commit", "-qm", "first")
    assert git("rev-parse", "HEAD").startswith(commit_of(tmp_path))
    (tmp_path / "a").write_text("2")
    assert commit_of(tmp_path).endswith(" with changes")
    (tmp_path / "site-packages").mkdir()  # installed below somebody's repository
    assert commit_of(tmp_path / "site-packages") is None


def test_a_total_only_where_there_is_something_to_add(outcome):
    one = next(iter(outcome.first["scenes"]))
    part = {**outcome.first, "scenes": {one: outcome.first["scenes"][one]}}
    assert len(outcome.first["scenes"]) > 1
    assert results(outcome.first, outcome.first).count(">total<") == 1
    assert results(part, part).count(">total<") == 0


def test_the_curves_against_k_have_the_ticks_of_the_tables(text):
    charts = re.findall(r'<svg[^>]*aria-label="(?:recall|mAP)@k".*?</svg>', text)
    for chart in charts:
        assert re.findall(r'class="tick" [^>]*>(\d+)<', chart) == ["1", "5", "10", "20"]
    assert len(charts) == 2


def test_a_method_that_answers_shows_how_sure_it_is(world, caplog):
    """Its charts, figures and answers are those of the evaluation, and no checkpoint is named."""
    root, folder = world
    calibration = root / "calibration.yaml"  # one drive made each database: none of its own
    calibration.write_text(to_text(Calibration()))
    setting = f"posterior.calibration={calibration}"
    text = write(folder, "--method", "posterior", "--output", root / "posterior.html", setting)
    page, said = Page(text), "".join(Page(text).text)
    run = open_run(str(folder), [setting])
    result = evaluate(run.config, method="posterior")
    assert show_confidence(result["confidence"]) in said and "posterior, val split" in said
    assert text.count('<section id="confidence">') == text.count('id="heat"') == 1
    for name in ("Confidence and truth", "Right answers of the surest queries"):
        assert [a for tag, a in page.tags if tag == "svg" and a.get("aria-label") == name]
    assert "right, in the mean" in said and "where the query may be" in said
    assert not caplog.messages and not page.of_class("warning")
    answers = [a["class"] for tag, a in page.tags if tag == "g" and a.get("class") == "answer"]
    assert len(answers) == len(re.findall(r"<p>answer: \d+ % sure, radius", text)) > 10
    names = [a["id"] for _, a in page.tags if a.get("id")]
    assert len(names) == len(set(names))


def test_lists_without_an_answer_have_no_section_of_confidence(text):
    assert 'id="confidence"' not in text and 'class="heat"' not in text
