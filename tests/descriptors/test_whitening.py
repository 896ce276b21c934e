"""PCA and whitening: published values, closed forms, files, and scikit-learn's pickles."""

from __future__ import annotations

import pickle
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch

from gcsa.descriptors import pca, whitening
from gcsa.descriptors.whitening import Whitening
from gcsa.errors import InputError, MissingFileError
from gcsa.scene import ImageSet

GOLDEN = np.load(Path(__file__).parents[1] / "data" / "dir.npz")
ARRAYS = [GOLDEN[f"wh_{name}"] for name in ("mean", "components", "explained_variance")]


@pytest.mark.parametrize("power", [0.0, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("dims", [None, 8])
def test_published_values(power, dims):
    found = Whitening(*ARRAYS).apply(GOLDEN["wh_in"], power, dims)
    expected = GOLDEN[f"wh_p{power}_v{dims or 'all'}"]
    assert found.dtype == np.float32
    # Theirs are float32, off the exact values by 1e-7, at the higher powers by 3e-7.
    np.testing.assert_allclose(found, expected, atol=2e-7 if power < 0.5 else 4e-7, rtol=0)


def test_published_values_without_variances():
    plain = Whitening(*ARRAYS[:2])
    found = plain.apply(GOLDEN["wh_in"], 0, 8)
    np.testing.assert_allclose(found, GOLDEN["wh_nowhitenflag_v8"], atol=2e-7, rtol=0)
    dictionary = Whitening(ARRAYS[0], GOLDEN["wh_dict_W"].T)
    found = dictionary.apply(GOLDEN["wh_in"], 0)
    np.testing.assert_allclose(found, GOLDEN["wh_dict"], atol=2e-7, rtol=0)
    with pytest.raises(InputError, match="whitening power: 0.5, but this projection has no"):
        dictionary.apply(GOLDEN["wh_in"])


def test_fit_equals_the_published_pca():
    mean, axes, variances = pca.fit(GOLDEN["wh_train"])
    np.testing.assert_allclose(mean, ARRAYS[0], atol=1e-7)
    np.testing.assert_allclose(variances, ARRAYS[2], rtol=1e-5)
    signs = np.sign((axes * ARRAYS[1]).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(axes * signs, ARRAYS[1], atol=2e-5)


def cloud(count, dim, seed=0):
    random = np.random.default_rng(seed)
    scales = 0.8 ** np.arange(dim)
    return (random.normal(size=(count, dim)) * scales @ random.normal(size=(dim, dim))).astype("f4")


@pytest.mark.parametrize("shape", [(50, 8), (8, 8), (9, 40), (30, 31)])
def test_fit_equals_the_singular_vectors(shape):
    points = cloud(*shape)
    mean, axes, variances = pca.fit(points)
    centred = points.astype(np.float64) - points.mean(axis=0, dtype=np.float64)
    _, values, vectors = np.linalg.svd(centred, full_matrices=False)
    dims = min(shape[0] - 1, shape[1])
    assert axes.shape == (dims, shape[1])
    np.testing.assert_allclose(variances, (values**2 / (len(points) - 1))[:dims], rtol=1e-6)
    np.testing.assert_allclose(np.abs((axes * vectors[:dims]).sum(axis=1)), 1, atol=1e-7)
    np.testing.assert_allclose(axes @ axes.T, np.eye(dims), atol=1e-12)
    assert (np.take_along_axis(axes, np.abs(axes).argmax(1)[:, None], 1) > 0).all()
    np.testing.assert_allclose(pca.fit(points, 3)[1], axes[:3], atol=1e-12)


def test_fit_by_blocks_of_rows(monkeypatch):
    points = cloud(50, 8)
    whole = pca.fit(points)
    monkeypatch.setattr(pca, "BLOCK", 7)
    for found, expected in zip(pca.fit(points), whole, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("shape", [(6, 20), (30, 20)])
def test_axes_of_repeated_descriptors_are_orthonormal(shape):
    points = np.repeat(cloud(2, 20), shape[0] // 2, axis=0)
    _, axes, variances = pca.fit(points, 5)
    np.testing.assert_allclose(axes @ axes.T, np.eye(5), atol=1e-10)
    assert (variances >= 0).all() and variances[1] < 1e-12 * variances[0]
    white = whitening.fit(points, 5)
    assert np.isfinite(white.apply(points)).all()


@pytest.mark.parametrize(("shape", "dims"), [((5, 8), 6), ((5, 8), 0), ((1, 8), None)])
def test_fit_says_what_it_lacks(shape, dims):
    with pytest.raises(InputError, match=r"PCA to .* got \(\d, 8\)"):
        pca.fit(np.ones(shape), dims)
    with pytest.raises(InputError, match="PCA: a descriptor is not finite"):
        pca.fit(np.array([[1.0, np.nan], [0.0, 1.0]]))


def test_axes_of_several_sets():
    parts = [cloud(40, 6).astype(np.float16), cloud(20, 6, 1).astype(np.float16)]
    sets = [ImageSet(np.arange(len(p)).astype(str), p) for p in parts]
    mean, axes = pca.principal_axes(sets, 4, np.random.default_rng(0))
    expected = pca.fit(np.concatenate(parts).astype(np.float32), 4)
    assert mean.dtype == axes.dtype == np.float32
    np.testing.assert_allclose(mean, expected[0], atol=1e-6)
    np.testing.assert_allclose(axes, expected[1], atol=1e-6)


def test_sample_takes_a_share_of_each_set(monkeypatch):
    monkeypatch.setattr(pca, "SAMPLE", 30)
    sets = [ImageSet(np.arange(n).astype(str), np.full((n, 2), n, dtype="f2")) for n in (40, 20)]
    found = pca.sample(sets, np.random.default_rng(0))
    assert found.shape == (30, 2) and (found == 40).sum() == 40


def test_whitened_descriptors_are_uncorrelated():
    points = cloud(500, 12)
    white = whitening.fit(points)
    # Before the rows are normalised: the same steps by hand.
    rows = (points - white.mean) @ white.components.T / np.sqrt(white.variances)
    np.testing.assert_allclose(np.cov(rows.T), np.eye(12), atol=1e-3)
    expected = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    np.testing.assert_allclose(white.apply(points), expected, atol=1e-5)


def test_rows_without_length_and_blocks(monkeypatch):
    white = Whitening(*ARRAYS)
    points = np.concatenate([GOLDEN["wh_in"], ARRAYS[0][None]])
    whole = white.apply(points)
    assert (whole[-1] == 0).all()
    monkeypatch.setattr(whitening, "BLOCK", 4)
    np.testing.assert_allclose(white.apply(points), whole, atol=1e-7)
    assert white.apply(points[:0]).shape == (0, 24)
    half = white.apply(points.astype(np.float16))
    assert half.dtype == np.float32 and np.isfinite(half).all()


def test_axes_without_variance_do_not_blow_up():
    white = Whitening(np.zeros(2, "f4"), np.eye(2, dtype="f4"), np.array([1, 0], dtype="f4"))
    found = white.apply(np.array([[1, 1e-7]], dtype="f4"))
    np.testing.assert_allclose(found[0], [1, 1e-7 / np.sqrt(1e-7)], atol=1e-6)


def test_what_does_not_fit_is_said():
    white = Whitening(*ARRAYS)
    with pytest.raises(InputError, match=r"shape \(3, 5\), the whitening takes \(n, 24\)"):
        white.apply(np.ones((3, 5)))
    with pytest.raises(InputError, match="whitening to 25 dimensions: expected 1 to 24"):
        white.apply(GOLDEN["wh_in"], dims=25)
    with pytest.raises(InputError, match="whitening power: -1 "):
        white.apply(GOLDEN["wh_in"], power=-1)
    with pytest.raises(InputError, match="expected a mean"):
        Whitening(ARRAYS[0][:-1], ARRAYS[1])
    with pytest.raises(InputError, match="expected 24 variances"):
        Whitening(*ARRAYS[:2], ARRAYS[2][:-1])


@pytest.mark.parametrize("count", [2, 3])
def test_saved_and_loaded(tmp_path, count):
    path = tmp_path / "white.npz"
    Whitening(*ARRAYS[:count]).save(path)
    assert [p.name for p in tmp_path.iterdir()] == ["white.npz"]
    found = whitening.load(path)
    for array, expected in zip(vars(found).values(), [*ARRAYS, None][:count], strict=False):
        np.testing.assert_array_equal(array, expected)
    assert (found.variances is None) == (count == 2)


def test_files_that_are_no_whitening(tmp_path):
    with pytest.raises(MissingFileError, match="no.npz: no such file; expected a whitening"):
        whitening.load(tmp_path / "no.npz")
    path = tmp_path / "x.npz"
    objects = np.array([None], dtype=object)
    for arrays in ({"mean": ARRAYS[0]}, {"a": ARRAYS[0]}, {"mean": objects, "components": objects}):
        np.savez(path, **arrays)
        with pytest.raises(InputError, match="x.npz: .*; expected a whitening, .npz"):
            whitening.load(path)
    for content in (b"", b"text", b"PK\x03\x04rest"):
        path.write_bytes(content)
        with pytest.raises(InputError, match="x.npz: .*; expected a whitening, .npz"):
            whitening.load(path)


def pickled_pca(monkeypatch, module, whiten=True):
    """An object that pickles as scikit-learn's PCA under one of its two module names."""
    kind = getattr(sys.modules.get(module), "PCA", type("PCA", (), {"__module__": module}))
    monkeypatch.setitem(sys.modules, module, types.SimpleNamespace(PCA=kind))
    monkeypatch.setitem(sys.modules, module.rsplit(".", 1)[0], types.SimpleNamespace())
    monkeypatch.setitem(sys.modules, "sklearn", types.SimpleNamespace())
    found = kind()
    found.mean_, found.components_, found.explained_variance_ = ARRAYS
    found.whiten, found.n_components_, found._sklearn_version = whiten, 24, "0.20.2"
    found.noise_variance_ = np.float32(0)
    return found


def checkpoint(named):
    state = {
        "module.fc.weight": torch.ones(4, 4),
        "module.adpool.p": torch.nn.Parameter(torch.ones(1)),
    }
    return {"state_dict": state, "model_options": {"arch": "resnet50_rmac"}, "pca": named}


@pytest.mark.parametrize("module", ["sklearn.decomposition.pca", "sklearn.decomposition._pca"])
@pytest.mark.parametrize("kind", ["zip", "legacy", "pickle"])
def test_pickled_pca_of_a_checkpoint(tmp_path, monkeypatch, module, kind):
    path, named = tmp_path / "model.pt", {"Landmarks_clean": pickled_pca(monkeypatch, module)}
    if kind == "pickle":
        path.write_bytes(pickle.dumps(named, 2))
    else:
        torch.save(checkpoint(named), path, _use_new_zipfile_serialization=kind == "zip")
    monkeypatch.undo()  # scikit-learn is not there any more
    white = whitening.read_dir(path, "Landmarks_clean")
    found = white.apply(GOLDEN["wh_in"], 0.25, 8)
    np.testing.assert_allclose(found, GOLDEN["wh_p0.25_v8"], atol=2e-7, rtol=0)
    with pytest.raises(InputError) as error:
        whitening.read_dir(path, "Landmark_clean")
    expected = f"{path}: no whitening 'Landmark_clean', it has Landmarks_clean"
    assert str(error.value) == expected


def test_other_forms_in_a_checkpoint(tmp_path, monkeypatch):
    unscaled = pickled_pca(monkeypatch, "sklearn.decomposition._pca", whiten=False)
    broken = pickled_pca(monkeypatch, "sklearn.decomposition._pca")
    del broken.mean_
    named = {"unscaled": unscaled, "W": {"means": ARRAYS[0], "W": GOLDEN["wh_dict_W"]}}
    path = tmp_path / "model.pt"
    torch.save(checkpoint({**named, "broken": broken}), path)
    white = whitening.read_dir(path, "unscaled")
    found = white.apply(GOLDEN["wh_in"], 0, 8)
    assert white.variances is None
    np.testing.assert_allclose(found, GOLDEN["wh_nowhitenflag_v8"], atol=2e-7, rtol=0)
    found = whitening.read_dir(path, "W").apply(GOLDEN["wh_in"], 0)
    np.testing.assert_allclose(found, GOLDEN["wh_dict"], atol=2e-7, rtol=0)
    with pytest.raises(InputError, match="model.pt: .*'mean_'; expected a PCA in .*'broken'"):
        whitening.read_dir(path, "broken")
    with pytest.raises(InputError, match="no whitening 'x', it has W, broken, unscaled"):
        whitening.read_dir(path, "x")


def test_checkpoints_without_a_whitening(tmp_path):
    path = tmp_path / "model.pt"
    for content in ({"state_dict": {}}, checkpoint(None), [1], checkpoint({})):
        torch.save(content, path)
        with pytest.raises(InputError, match="model.pt: no whitening 'x', it has none"):
            whitening.read_dir(path, "x")


def test_equal_descriptors_give_no_nan():
    rows = np.tile(np.eye(1, 4), (6, 1))
    assert np.isfinite(whitening.fit(rows).apply(rows, power=0.5)).all()
