"""Killed, or out of disk, at any file operation: what was there before stays whole, or what is new.

GCSA_KILLS=1000 strikes so often, with another seed each time.
"""

import json
import os
import time

import pytest
from faults.shims import HERE, compiled, under

KILLS = int(os.environ.get("GCSA_KILLS", "0"))


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    return compiled(tmp_path_factory.mktemp("shim"))


def strike(shim, folder, *words):
    done = under(shim, HERE / "striking.py", folder, *words)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["wrong"] == [] and found["left"] == [], done.stderr
    return found["strikes"]


def test_kills_leave_the_old_file_or_the_new_one(shim, tmp_path):
    seed = time.time_ns() if KILLS else 1
    assert strike(shim, tmp_path, "kills", KILLS or 50, seed) == (KILLS or 50)


def test_a_full_disk_and_a_broken_one_are_told_wherever_they_strike(shim, tmp_path):
    assert strike(shim, tmp_path, "faults") > 100
