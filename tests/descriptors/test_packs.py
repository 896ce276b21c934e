"""Packs are of the file that they stand beside, whatever was killed, cut or put back before."""

import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from worlds import write_descriptors

from gcsa.descriptors import hdf5, origin, packfile, packing
from gcsa.descriptors.hdf5 import open_pack
from gcsa.errors import InputError, MissingFileError

NAMES = ["query/images/-b.jpg", "database/images/z.jpg", "database/images/_a.jpg"]


# What another process may have left, where it took so long that the source is no longer young.
NOTED = {"feats.pack.json"}


def write(path, seed):
    write_descriptors(path, NAMES, np.random.default_rng(seed).normal(size=(3, 16)))
    return path


@pytest.fixture
def source(tmp_path):
    return write(tmp_path / "feats.h5", 0)


@pytest.fixture(autouse=True)
def young(monkeypatch):
    """Files count as too young for a note, however long a test takes."""
    monkeypatch.setattr(origin, "SETTLED", 10**18)


@pytest.fixture
def settled(young, monkeypatch):
    """Files count as old enough that their stamps tell."""
    monkeypatch.setattr(origin, "SETTLED", -(10**18))


@pytest.fixture
def hashed(monkeypatch):
    """Which files are read whole for their hash."""
    found, real = [], origin.content_hash
    monkeypatch.setattr(origin, "content_hash", lambda path: (found.append(path), real(path))[1])
    return found


def rows(path):
    return np.asarray(open_pack(path).rows(NAMES))


def stored(path):
    with h5py.File(path) as file:
        return np.stack([file[name]["global_descriptor"][:] for name in NAMES])


def left(folder):
    """What lies in a folder, without what the next process removes."""
    return sorted(path.name for path in folder.iterdir() if not path.match(".gcsa-*.tmp"))


def test_a_pack_is_an_array_of_numpy(source):
    open_pack(source)
    array = np.load(source.with_suffix(".pack.npy"))
    np.testing.assert_array_equal(array, stored(source)[[2, 1, 0]])
    assert left(source.parent) == ["feats.h5", "feats.pack.npy"]  # too young for a note


def test_the_content_is_read_where_the_stamp_does_not_tell(source, settled, hashed):
    open_pack(source)
    assert len(hashed) == 1
    open_pack(source)
    assert len(hashed) == 1
    os.utime(source, ns=(5, 5))  # as a copy: another time, the same bytes
    pack = source.with_suffix(".pack.npy")
    before = pack.stat().st_mtime_ns
    for _ in range(2):
        open_pack(source)
        assert len(hashed) == 2 and pack.stat().st_mtime_ns == before


def test_a_young_file_is_read_again(source, hashed):
    """Within the same tick of the clock it may change without a change of its stamp."""
    for count in (2, 3):
        open_pack(source)
        assert len(hashed) == count


def test_the_earlier_file_of_the_same_size_and_time_put_back(tmp_path, source, settled):
    other, kept = write(tmp_path / "other.h5", 1), tmp_path / "kept.h5"
    time = source.stat().st_mtime_ns
    os.utime(other, ns=(time, time))
    assert other.stat().st_size == source.stat().st_size
    first, second = stored(source), stored(other)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(rows(source), first)
    os.rename(source, kept)
    os.rename(other, source)
    np.testing.assert_array_equal(rows(source), second)
    os.rename(source, other)
    os.rename(kept, source)
    assert source.stat().st_mtime_ns == time
    np.testing.assert_array_equal(rows(source), first)
    content = other.read_bytes()
    with source.open("r+b") as file:  # in place: the same inode
        file.write(content)
    os.utime(source, ns=(time, time))
    np.testing.assert_array_equal(rows(source), second)


@pytest.mark.parametrize("part", ["feats.pack.npy", "feats.pack.json"])
def test_parts_of_another_making(tmp_path, source, settled, part):
    first = rows(source)
    (tmp_path / "b").mkdir()
    other = write(tmp_path / "b" / "feats.h5", 1)
    second = rows(other)
    shutil.copy(source.with_name(part), other.with_name(part))
    np.testing.assert_array_equal(rows(other), second)
    assert not np.array_equal(first, second)


def test_a_pack_of_another_folder_of_names(tmp_path, source):
    """Rows, names and record are one file: a change of any of them is seen."""
    rows(source)
    path = source.with_suffix(".pack.npy")
    whole = path.read_bytes()
    start = whole.rindex(b"database/images/_a.jpg")
    for at in (start, start + 80, len(whole) - 1, len(whole) - 20):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert packfile.read(path) is None
        np.testing.assert_array_equal(rows(source), stored(source))


@pytest.mark.parametrize("length", [0, 1, 60, 127, 128, 200, -1, -60, -100])
def test_a_pack_that_is_cut_is_made_again(source, length):
    expected = rows(source)
    path = source.with_suffix(".pack.npy")
    whole = path.read_bytes()
    path.write_bytes(whole[:length])
    np.testing.assert_array_equal(rows(source), expected)
    path.write_bytes(whole + b"more")
    np.testing.assert_array_equal(rows(source), expected)
    assert path.read_bytes() == whole


@pytest.mark.parametrize("note", [b"", b"{", b"[" * 10**5, b"\xff", b"[1]", b"{}"])
def test_a_note_that_is_none(source, settled, note):
    expected = rows(source)
    source.with_suffix(".pack.json").write_bytes(note)
    np.testing.assert_array_equal(rows(source), expected)
    assert json.loads(source.with_suffix(".pack.json").read_text())["size"] > 0


def no_record(record, names):
    return [record], names


def no_lacking(record, names):
    return {k: v for k, v in record.items() if k != "lacking"}, names


def endless(record, names):
    return {**record, "lacking": float("inf")}, names


def odd_rows(record, names):
    return {**record, "normalised": {"count": "many"}}, names


def no_text(record, names):
    return record, names.replace(b"d", b"\xff")


def within_a_letter(record, names):
    """The bytes are UTF-8, but a letter lies across two names."""
    width = record["width"]
    return record, names[: width - 1] + "\u00e9".encode() + names[width + 1 :]


@pytest.mark.parametrize(
    "change", [no_record, no_lacking, endless, odd_rows, no_text, within_a_letter]
)
def test_a_pack_made_wrong_with_a_hash_that_fits(source, change):
    """It is no pack: made again where its source is, else said to lack."""
    expected = open_pack(source).names.tolist()
    path = source.with_suffix(".pack.npy")
    data, end = path.read_bytes(), packfile.END.size
    listed, about, _, magic = packfile.END.unpack(data[-end:])
    start = len(data) - end - listed - about
    names, record = data[start : start + listed], json.loads(data[start + listed : -end])
    record, names = change(record, names)
    record = json.dumps(record).encode()
    digest = hashlib.blake2b(names + record, digest_size=packfile.HASH).digest()
    wrong = packfile.END.pack(len(names), len(record), digest, magic)
    path.write_bytes(data[:start] + names + record + wrong)
    assert open_pack(source).names.tolist() == expected
    path.write_bytes(data[:start] + names + record + wrong)
    source.unlink()
    with pytest.raises(InputError, match="no such descriptor file"):
        open_pack(source)


def test_the_pack_serves_alone(source):
    expected = rows(source)
    source.unlink()
    np.testing.assert_array_equal(rows(source), expected)
    source.with_suffix(".pack.npy").write_bytes(b"")
    with pytest.raises(MissingFileError, match="no such descriptor file"):
        open_pack(source)


def earlier_pack(source, version, scale=1):
    """The three files of an earlier version."""
    array = stored(source)[[2, 1, 0]] * np.float16(scale)
    np.save(source.with_suffix(".pack.npy"), array)
    np.save(source.with_suffix(".pack.names.npy"), np.array([n.encode() for n in sorted(NAMES)]))
    record = {"version": version, "source": source.name, "blake2b": "0", "shape": array.shape}
    source.with_suffix(".pack.json").write_text(json.dumps(record))


@pytest.mark.parametrize("version", [2, 3])
def test_a_pack_of_an_earlier_version(source, version, caplog):
    expected = stored(source)
    earlier_pack(source, version)
    np.testing.assert_array_equal(rows(source), expected)
    assert left(source.parent) == ["feats.h5", "feats.pack.json", "feats.pack.npy"]
    earlier_pack(source, version)
    content = source.read_bytes()
    source.unlink()  # where its source is gone it serves, once it has been looked at
    for _ in range(2):
        np.testing.assert_array_equal(rows(source), expected)
    assert caplog.text.count("made by an earlier version") == 1
    source.write_bytes(content)
    earlier_pack(source, version, 3)
    source.unlink()
    with pytest.raises(MissingFileError, match="no such descriptor file"):
        open_pack(source)


class Watched:
    """A file that says how many bytes are written to it, before they are."""

    def __init__(self, file, said):
        self._file, self._said = file, said

    def write(self, data):
        self._said(memoryview(data).nbytes)
        return self._file.write(data)

    def __getattr__(self, name):
        return getattr(self._file, name)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._file.close()


def watch_writing(said):
    def watched(name, mode="r", *args):
        file = open(name, mode, *args)
        return Watched(file, said) if mode == "wb" else file

    packfile.open = watched


OPERATIONS = ["replace", "rename", "unlink", "fsync", "open", "mkdir", "rmdir", "close"]


def killed_at(moment, source):
    """Open a pack in a process that ends at its ``moment``-th call of the system."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    left_to_do = [moment]

    def count(*args):
        if left_to_do[0] == 0:
            os._exit(9)
        left_to_do[0] -= 1

    for name in OPERATIONS:
        real = getattr(os, name)
        setattr(os, name, lambda *a, _real=real, **k: (count(), _real(*a, **k))[1])
    watch_writing(count)
    try:
        open_pack(source)
        os._exit(0)
    finally:
        os._exit(1)


def test_a_kill_at_any_moment_leaves_the_right_rows(tmp_path, source, settled):
    """Each call of the system that a packing makes is the last; then all must be as if not."""
    first, second = stored(source), stored(write(tmp_path / "other.h5", 1))
    contents = [source.read_bytes(), (tmp_path / "other.h5").read_bytes()]
    open_pack(source)
    moment, code = 0, 9
    while code == 9:
        which = (moment + 1) % 2
        source.write_bytes(contents[which])
        code = killed_at(moment, source)
        np.testing.assert_array_equal(rows(source), [first, second][which])
        moment += 1
    assert code == 0 and moment > 12
    assert left(tmp_path) == ["feats.h5", "feats.pack.json", "feats.pack.npy", "other.h5"]


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
@pytest.mark.parametrize("room", [0, 130, 230, 330])
def test_a_full_disk_is_one_line_and_the_older_pack_stays(source, monkeypatch, error, room):
    expected = rows(source)
    path, earlier = source.with_suffix(".pack.npy"), source.read_bytes()
    whole = path.read_bytes()
    write(source, 1)

    left_over = [room]

    def take(count):
        left_over[0] -= count
        if left_over[0] < 0:
            raise OSError(error, os.strerror(error))

    monkeypatch.setattr(packfile, "open", None, raising=False)  # taken away at the end
    watch_writing(take)
    with pytest.raises(
        InputError, match=f"feats.pack.npy: cannot be written.*{os.strerror(error)}"
    ):
        open_pack(source)
    assert path.read_bytes() == whole and left(source.parent) == ["feats.h5", "feats.pack.npy"]
    source.write_bytes(earlier)
    np.testing.assert_array_equal(rows(source), expected)


def test_a_fault_of_the_disk_that_is_read_names_the_source(source, monkeypatch):
    def broken(*args):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(packing.os, "pread", broken)
    with pytest.raises(InputError, match=r"feats.h5: Input/output error; expected an HDF5 file"):
        open_pack(source)
    assert left(source.parent) == ["feats.h5"]


def test_a_source_cut_short_while_it_is_packed(source, monkeypatch):
    real = packing.image_names
    write_descriptors(source, NAMES, np.random.default_rng(0).normal(size=(3, 4096)))

    def cut(*args):
        found = real(*args)
        os.truncate(source, source.stat().st_size - 6000)
        return found

    monkeypatch.setattr(packing, "image_names", cut)
    with pytest.raises(InputError, match="feats.h5: ends within the descriptor of image"):
        open_pack(source)
    assert left(source.parent) == ["feats.h5"]


def test_a_source_changed_while_it_is_packed(source, monkeypatch):
    real = hdf5.pack

    def change(path, *args):
        real(path, *args)
        write(path, 1)

    monkeypatch.setattr(hdf5, "pack", change)
    with pytest.raises(
        InputError, match="feats.h5: changed while its descriptors were being packed"
    ):
        open_pack(source)


def test_a_pack_cut_short_under_its_reader(source):
    found = open_pack(source).rows(NAMES)
    out = np.empty((3, 16), np.float16)
    os.truncate(source.with_suffix(".pack.npy"), 140)
    for read in (
        lambda: found[:],
        lambda: found.take(np.arange(3), out),
        lambda: np.asarray(found),
    ):
        with pytest.raises(InputError, match=r"feats.pack.npy: was cut short .* 140 of 224 bytes"):
            read()


def test_a_pack_that_another_process_replaces_stays_as_it_was_opened(source):
    expected, found = rows(source), open_pack(source).rows(NAMES)
    write(source, 1)
    assert not np.array_equal(rows(source), expected)
    np.testing.assert_array_equal(found[:], expected)


PACKER = """
import sys
sys.path[:0] = {path!r}
from gcsa.descriptors import hdf5, packing
real, source = hdf5.pack, sys.argv[1]
def pack(*args):
    print("packing", flush=True)
    sys.stdin.readline()
    real(*args)
hdf5.pack = pack
print(hdf5.open_pack(source).rows([{name!r}])[0].sum())
"""


def packer(source):
    code = PACKER.format(path=sys.path, name=NAMES[0])
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, "-c", code, str(source)], stdin=pipe, stdout=pipe, stderr=pipe, text=True
    )


def waiting_for(lock):
    """Whether a process waits for a lock on a file, as Linux tells."""
    inode = f":{lock.stat().st_ino} "
    return any("->" in line and inode in line for line in open("/proc/locks"))


def test_two_processes_do_not_pack_at_once(source, monkeypatch, caplog):
    lock = source.with_suffix(".pack.lock")
    with packer(source) as first:
        assert first.stdout.readline() == "packing\n"
        assert lock.exists()
        said = []

        def wait(handle, how):
            said.append(how)
            if len(said) == 2:  # we would wait: let the first go on
                first.stdin.write("\n")
                first.stdin.flush()
            return real(handle, how)

        real = packfile.fcntl.flock
        monkeypatch.setattr(packfile.fcntl, "flock", wait)
        monkeypatch.setattr(hdf5, "pack", None)  # we take what the first has made
        with caplog.at_level("INFO"):
            np.testing.assert_array_equal(rows(source), stored(source))
        out, err = first.communicate()
        assert first.returncode == 0, err
    assert "feats.pack.npy: another process is making it, waiting" in caplog.text
    assert set(left(source.parent)) - NOTED == {"feats.h5", "feats.pack.npy"}


def test_the_lock_of_a_killed_process_holds_nobody(source):
    with packer(source) as first:
        assert first.stdout.readline() == "packing\n"
        first.kill()
    assert source.with_suffix(".pack.lock").exists()
    np.testing.assert_array_equal(rows(source), stored(source))
    assert set(left(source.parent)) - NOTED == {"feats.h5", "feats.pack.npy"}


def test_a_folder_that_cannot_be_written(source, monkeypatch):
    real = os.open

    def refused(path, flags, *args, **kwargs):
        if flags & os.O_CREAT:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return real(path, flags, *args, **kwargs)

    monkeypatch.setattr(os, "open", refused)
    with pytest.raises(InputError, match="feats.pack.npy: cannot be written .Permission denied"):
        open_pack(source)


UNREADABLE = """
import os, sys
sys.path[:0] = {path!r}
from gcsa.descriptors.hdf5 import open_pack
from gcsa.errors import run_program
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
sys.argv[0] = "gcsa"
run_program(lambda: open_pack(sys.argv[1]))
"""


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_file_without_permission(what):
    folder = Path(tempfile.mkdtemp())  # not below tmp_path, which others may not enter
    folder.chmod(0o755)
    try:
        source = write(folder / "in" / "feats.h5", 0)
        source.parent.chmod(0o777 if what == "file" else 0)
        source.chmod(0)
        code = UNREADABLE.format(path=sys.path)
        command = [sys.executable, "-c", code, source]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 2, done.stderr
        assert done.stderr.startswith(f"error: {source}: Permission denied; expected")
        assert done.stderr.count("\n") == 1
    finally:
        source.parent.chmod(0o700)
        shutil.rmtree(folder)
