"""Affinity "time-of-day": photos taken at the same hour were taken in the same light.

The time stands in an image's name, as phones and cameras write it: IMG_20260611_173005.jpg.
"""

import re

import numpy as np

from gcsa.__main__ import run
from gcsa.sideinfo import heading
from gcsa.sideinfo.affinity import AFFINITIES

TIME = re.compile(r"\d{8}_(\d\d)(\d\d)(\d\d)")


def clock(names):
    """Each name's time as an angle in radians, once round in a day; NaN where it has none."""
    found = [TIME.search(name) for name in names]
    times = np.array([m.groups() if m else (np.nan,) * 3 for m in found], dtype=np.float64)
    return times @ [3600, 60, 1] / 86400 * 2 * np.pi


def time_of_day(scene, fov_config):
    """Called once for a scene; returns what makes the columns of each batch."""
    database, queries = np.append(clock(scene.database.names), np.nan), clock(scene.queries.names)

    def columns(lists):  # -> (B, 1+K, 1+L) in [-1, 1]; 0 is unknown; row -1, padding, is NaN
        own = queries[lists.queries][:, None]
        rows, anchors = (np.hstack([own, database[part]]) for part in (lists.rows, lists.anchors))
        return np.nan_to_num(heading.affinity(rows[:, :, None], anchors[:, None]))

    return columns


AFFINITIES["time-of-day"] = time_of_day
if __name__ == "__main__":  # python time_of_day.py train --name ...: any program, with this kind
    run()
