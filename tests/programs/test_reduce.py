"""gcsa reduce: what is printed is what evaluation finds; what is written is read like any other."""

import sys

import numpy as np
import pytest
from worlds import write_world

from gcsa import reduce
from gcsa.config import load_config
from gcsa.descriptors import pca, whitening
from gcsa.descriptors.hdf5 import open_pack
from gcsa.errors import InputError
from gcsa.evaluate import evaluate
from gcsa.scoring.reduction import fit

CITIES = {"zurich": "train_val", "cph": "train_val"}
NAME = "global-feats-test.h5"


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    """The settings of a world of two cities, 300 database images in each."""
    root = tmp_path_factory.mktemp("world")
    paths = write_world(root, CITIES, database=300, dim=24)
    cities = ["data.train_scenes=[zurich]", "data.val_scenes=[cph]", "data.test_scenes=[cph]"]
    return [*(f"{key}={value}" for key, value in paths.items()), *cities, "train.device=cpu"]


@pytest.fixture
def program(words, monkeypatch, capsys):
    """Run the program; returns what it printed, line by line."""

    def run(*more):
        monkeypatch.setattr(sys, "argv", ["gcsa reduce", *more, *words])
        reduce.main()
        return capsys.readouterr().out.splitlines()

    return run


def folder(words):
    return load_config(overrides=words).data.outputs + "/msls"


def figures(line):
    return [float(cell) for cell in line.split("bytes")[-1].split()[:8]]


def test_what_is_printed_is_what_the_files_give(program, words):
    lines = program("--numbers", "20", "8", "--output", "short.h5")
    named = [line.split("  ")[0] for line in lines]
    assert named[1:] == [
        "24 numbers, 48 bytes, as they are",
        "20 numbers, 40 bytes",
        "8 numbers, 16 bytes",
    ]
    for line, name in ((lines[1].replace(", as they are", ""), NAME), (lines[3], "short.h5")):
        config = load_config(overrides=[*words, f"data.desc_fn={name}"])
        found = evaluate(config)["metrics"].values()
        printed = figures(line)
        np.testing.assert_allclose(printed, [100 * value for value in found], atol=0.006)


def test_the_matrix_makes_the_files(program, words):
    program("--numbers", "8", "--power", "0.5", "--output", "white.h5", "--split", "none")
    matrix = whitening.load(f"{folder(words)}/zurich/white.whitening.npz")
    for city in CITIES:
        before, after = (open_pack(f"{folder(words)}/{city}/{n}") for n in (NAME, "white.h5"))
        assert (before.names == after.names).all()
        expected = matrix.apply(np.asarray(before.array), power=0)
        np.testing.assert_allclose(after.array, expected, atol=2e-3)
    # By hand: the training city's database, centred, on its axes, over the roots of variances.
    pack = open_pack(f"{folder(words)}/zurich/{NAME}")
    own = np.array([name.startswith("database/") for name in pack.names])
    rows = np.asarray(pack.array, dtype=np.float64)
    assert own.sum() == 300 < pca.SAMPLE
    values, axes = np.linalg.eigh(np.cov(rows[own].T))
    turned = (rows - rows[own].mean(0)) @ axes[:, ::-1][:, :8] / np.sqrt(values[::-1][:8])
    turned /= np.linalg.norm(turned, axis=1, keepdims=True)
    found = np.asarray(open_pack(f"{folder(words)}/zurich/white.h5").array, dtype=np.float64)
    np.testing.assert_allclose(np.abs(found), np.abs(turned), atol=3e-3)


def test_codes_are_written_and_read(program, words):
    lines = program("--numbers", "12", "--codes", "4", "--output", "codes.h5")
    assert lines[3].startswith("12 numbers as codes, 4 bytes")
    config = load_config(overrides=[*words, "data.desc_fn=codes.h5"])
    found = [100 * value for value in evaluate(config)["metrics"].values()]
    np.testing.assert_allclose(figures(lines[3]), found, atol=0.006)


def test_lengths_of_one_fit_are_those_of_their_own(words):
    config = load_config(overrides=words)
    rows = np.asarray(open_pack(f"{folder(words)}/cph/{NAME}").array)
    both, alone = fit(config, [20, 8], [], 0.25)[1], fit(config, [8], [], 0.25)[0]
    np.testing.assert_allclose(both(rows), alone(rows), atol=1e-6)


@pytest.mark.parametrize(
    "more, said",
    [
        (["--numbers", "25"], "--numbers: 25 is not from 1 to the 24 of data.desc_fn"),
        (["--numbers", "8", "--codes", "3"], "8 numbers are not cut into 3 parts"),
        (["--numbers", "8", "--output", "a/b.h5"], "expected the name of a file"),
        (["--numbers", "8", "--output", NAME, "--split", "none"], "is the file that is read"),
        (["--numbers", "8", "0"], "--numbers: '0' is not a whole number"),
        (["--numbers", "8", "--power", "-1"], "whitening power: -1"),
    ],
)
def test_what_cannot_be_asked_for(program, more, said):
    with pytest.raises(InputError, match=said):
        program(*more)
