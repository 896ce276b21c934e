"""The report of a run that trained a descriptor: the network before training and after it."""

import json
import re

import numpy as np
import pytest
import torch
from browsers import Window
from describing_worlds import config_of, photo_world
from test_report import Page, write

from gcsa.errors import InputError
from gcsa.report.outcomes import changes
from gcsa.report.runs import open_run
from gcsa.report.trained import study_of_training
from gcsa.train import train


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of two epochs by tuples, with a whitening; its folder."""
    root = tmp_path_factory.mktemp("descriptor")
    kept = {"data.outputs": root / "out", "train.num_epochs": 2, "descriptor.whiten": 6}
    rate = {"train.learning_rate": 1e-3, "train.keep_best": True, "descriptor.steps": 4}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gcsa.descriptors.networks.resnet.WIDTHS", (8, 8, 16, 16))
        train(config_of(photo_world(root), kept, rate), "run")
        yield root / "out" / "training" / "run"


@pytest.fixture(scope="module")
def text(run):
    return write(run)


def test_figures_are_those_of_the_run(run):
    """Before training row 0 of metrics.csv, after it that of the checkpoint's epoch."""
    opened = open_run(str(run))
    for epoch in (1, 2):
        found = study_of_training(opened.config, run / f"checkpoint_{epoch}.pth.tar", "val")
        for result, row in ((found.first, opened.rows[0]), (found.reranked, opened.rows[epoch])):
            for name, value in result["metrics"].items():
                assert value == pytest.approx(row[name], abs=1e-9), name
    assert found.words == ("before training", "after training")
    assert any(c.kind != "unchanged" for c in changes(found.scenes))


def test_the_page_speaks_of_training(text):
    said = "".join(Page(text).text)
    for words in ("before training", "after training", "no training", "difference to “before"):
        assert words in said
    visible = re.sub(r"<(style|script)\b.*?</\1>|<[^>]*>", " ", text, flags=re.DOTALL)
    assert not re.search("first round|re-rank", visible, re.IGNORECASE)
    assert "is % now" not in said


def test_tuples_are_the_remembered_ones(run, text):
    """Six queries, their negatives as resume.pth.tar has them, each beyond mining.negative."""
    section = text[text.index('<section id="tuples">') :].split("</section>")[0]
    rows = section.split("<article")[1:]
    caches = torch.load(run / "resume.pth.tar", weights_only=True)["tuples"]
    known = sum(int((cache[:, 0] >= 0).sum()) for cache in caches)
    assert len(rows) == min(6, known) > 2
    for row in rows:
        metres = [float(m) for m in re.findall(r"<span>([\d.]+) m</span>", row)]
        assert len(metres) == 3 and min(metres) > 25
    images = json.loads(re.search(r'id="thumbnails">(.*?)</script>', text)[1])
    assert max(int(n) for n in re.findall(r'data-t="(\d+)"', section)) < len(images)


def test_without_what_remembers_them_there_are_none(run, tmp_path):
    kept = run / "resume.pth.tar"
    aside = kept.rename(tmp_path / "aside")
    try:
        assert 'id="tuples"' not in write(run, "--output", tmp_path / "page.html")
    finally:
        aside.rename(kept)


def test_what_a_report_of_training_refuses(run, tmp_path):
    for option, value in (("--method", "posterior"), ("--poses", "3")):
        with pytest.raises(InputError, match=f"{option}: a descriptor is compared with itself"):
            write(run, option, value)
    torch.save({"state_dict": {"a": torch.zeros(2)}}, tmp_path / "other.pth")
    with pytest.raises(InputError, match="other.pth"):
        write(run, "--checkpoint", tmp_path / "other.pth")


def test_it_opens_in_a_browser(run, text, browser):
    opened = Window(browser, run / "report.html")
    page = opened.page
    assert page.locator("#tuples .query").count() > 2
    for row in page.locator(".query").all():
        row.scroll_into_view_if_needed()
    page.locator("#tuples img[data-t]").first.wait_for(state="detached")
    widths = page.evaluate("[...document.images].map((i) => i.naturalWidth)")
    assert np.mean(np.array(widths) > 0) > 0.5
    opened.close()
