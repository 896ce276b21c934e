"""The door: a message names the field and the scene."""

import numpy as np
import pytest

from gcsa.errors import InputError
from gcsa.scene import ImageSet, Scene


def image_set(n=3, **changes):
    fields = {
        "names": np.array([f"{i}.jpg" for i in range(n)]),
        "descriptors": np.eye(n, 8, dtype=np.float16),
        "positions": np.zeros((n, 2)),
        "headings": np.zeros(n),
    }
    return ImageSet(**{**fields, **changes})


def test_a_correct_scene_passes():
    unknown = np.array([[0, 0], [np.nan, np.nan], [1, 2]])
    headings = np.array([0, np.nan, 1])
    Scene("cph", image_set(positions=unknown, headings=headings), image_set())
    Scene("cph", image_set(), image_set(descriptors=None, positions=None, headings=None))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"names": np.array(["a", "b", "a"])}, r"database.names: 'a' appears twice"),
        ({"names": np.array([], dtype=str)}, "no images"),
        ({"positions": np.zeros((3, 4))}, r"positions: expected float64 of shape \(3, 2\)"),
        ({"positions": np.zeros((3, 2), "f4")}, "positions: expected float64"),
        ({"positions": np.array([[0, np.nan], [0, 0], [0, 0]])}, "positions: coordinates"),
        ({"headings": np.zeros(2)}, r"headings: expected float64 of shape \(3,\)"),
        ({"headings": np.array([0, np.inf, 0])}, "headings: infinite"),
        (
            {"headings": np.array([0, np.nan, -1e16])},
            "headings: row 2 has -1e.16, beyond 62.832",
        ),
        ({"headings": np.array([270.0, 0, 0])}, "headings: row 0 has 270, beyond 62.832 radians"),
        (
            {"positions": np.array([[0, 0], [0, 1e9], [0, 0]])},
            "positions: row 1 has 1e.09, beyond",
        ),
        ({"positions": np.array([[0, 0, 0], [0, 0, -1e9], [0, 0, 0]])}, "row 1 has -1e.09, beyond"),
        ({"descriptors": np.eye(3, 8)[:2]}, r"descriptors: expected shape \(3, D\)"),
        ({"descriptors": np.eye(3, 8, dtype=bool)}, "descriptors: expected floats, got bool"),
        ({"descriptors": np.eye(3, 8, dtype=complex)}, "expected floats, got complex128"),
        ({"descriptors": 2 * np.eye(3, 8)}, "descriptors: row 0 has length 2;"),
        ({"descriptors": np.full((3, 8), np.nan)}, "descriptors: row 0 has length nan"),
        ({"descriptors": np.eye(3, 9)}, "length 9, those of the queries 8"),
    ],
)
def test_what_is_wrong_is_named(changes, message):
    with pytest.raises(InputError, match=f"^cph: .*{message}"):
        Scene("cph", image_set(**changes), image_set())
