"""What is said before hloc runs, of the inputs that would end it in a traceback."""

import h5py
import numpy as np
import pytest
from hloc_inputs import write_images

from gcsa.datasets.hloc import write_pairs
from gcsa.errors import InputError
from gcsa.localization.hloc_check import check_inputs, model_names


def test_names_of_a_model(tmp_path):
    write_images(tmp_path / "images.bin", ["a/1.jpg", "ü 2.jpg"])
    assert model_names(tmp_path) == {"a/1.jpg", "ü 2.jpg"}
    whole = (tmp_path / "images.bin").read_bytes()
    (tmp_path / "images.bin").write_bytes(whole[:30])
    with pytest.raises(InputError, match="images.bin: .* expected COLMAP's images"):
        model_names(tmp_path)
    (tmp_path / "images.bin").unlink()
    (tmp_path / "images.txt").write_text("1 1 0 0 0 0 0 0 1 a/1.jpg\n\n")
    assert model_names(tmp_path) == {"a/1.jpg"}


def test_what_hloc_would_trip_over_is_said_before(tmp_path):
    a, b, q = "sessions/map/a.jpg", "sessions/map/b.jpg", "sessions/q/1.jpg"
    write_pairs(tmp_path / "p.txt", [q, q], [a, b])
    files = tmp_path / "p.txt", tmp_path, tmp_path / "f.h5", tmp_path / "m.h5"

    def check(model, keypoints, pairs):
        write_images(tmp_path / "images.bin", model)
        for path, names, last in (
            (files[2], keypoints, "keypoints"),
            (files[3], pairs, "matches0"),
        ):
            with h5py.File(path, "w") as file:
                for name in names:
                    file[f"{name}/{last}"] = np.zeros(0)
        check_inputs(*files)

    matched = [f"{n.replace('/', '-')}/{q.replace('/', '-')}" for n in (a, b)]  # either order
    check([a, b], [a, b, q], matched)
    check([a], [a, q], matched[:1])  # hloc passes over what the model lacks
    for given, message in (
        (([], [], []), "no image that 1 queries are paired with, such as 'sessions/map/a.jpg'"),
        (
            (["map/a.jpg"], [], []),
            "relative to sessions/, expected .*; its names are like 'map/",
        ),
        (([a, b], [a, q], matched), "f.h5: no keypoints of 1 of 3 images, such as '.*map/b.jpg'$"),
        (([a, b], ["map/a.jpg", q, b], matched), "no keypoints of 1 .* are relative to sessions/"),
        (([a, b], [a, b, q], matched[1:]), f"m.h5: no matches of 1 of 2 pairs, such as '{q} {a}'"),
    ):
        with pytest.raises(InputError, match=message):
            check(*given)
