"""A loss of power leaves the old file or the new one; what was said to be kept is kept."""

from contextlib import contextmanager

import pytest
from faults.power import Disk, put
from faults.striking import WRITERS

from gcsa.files import replacing


@contextmanager
def recorded(root):
    root.mkdir()
    disk = Disk(root)
    try:
        with disk.recorded():
            yield disk
    finally:
        disk.close()


def versions(writer, disk, tmp_path):
    """The version that each image holds; an error where it holds none."""
    found = []
    for number, image in enumerate(disk.images):
        folder = tmp_path / f"image {number}"
        folder.mkdir()
        found.append(writer.read(put(image, folder)))
    return found


@pytest.mark.parametrize("writer", WRITERS, ids=lambda writer: type(writer).__name__)
def test_every_moment_leaves_a_whole_version(writer, tmp_path):
    with recorded(tmp_path / "disk") as disk:
        moments = []
        for version in (1, 2, 3):
            writer.write(disk.root, version)
            moments.append(len(disk.images))
    found = versions(writer, disk, tmp_path)
    assert set(found) == {0, 1, 2, 3}
    for kept in (found[::2], found[1::2]):  # either kind of disk never goes back
        assert kept == sorted(kept)
    for version, moment in enumerate(moments, start=1):  # written is kept
        assert min(found[moment - 2 : moment]) == version


def test_the_play_knows_what_is_not_durable(tmp_path):
    with recorded(tmp_path / "disk") as disk:
        with replacing(disk.root / "a.txt", durable=False) as temporary:
            temporary.write_text("whole")
    nothing, empty = disk.images[-2:]
    assert nothing == {} and empty == {"a.txt": b""}
