"""Files appear whole or not at all."""

import errno
import os
import signal
import stat
import subprocess
import sys

import pytest

from gcsa import files
from gcsa.errors import InputError, MissingFileError, nearest
from gcsa.files import read_lines, read_text, reading, replacing, write_text


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    for error in (RuntimeError, KeyboardInterrupt):
        with pytest.raises(error), replacing(path) as temporary:
            temporary.write_text("half")
            assert path.read_text() == "old"
            raise error
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"] and path.read_text() == "old"


def test_a_new_file_is_whole_and_may_be_read_by_others(tmp_path):
    path, mask = tmp_path / "new" / "a.txt", os.umask(0o027)
    try:
        write_text(path, "é\n")
    finally:
        os.umask(mask)
    assert path.read_bytes() == b"\xc3\xa9\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]


def test_hints():
    assert nearest("headin", ["heading", "radio"]) == " (did you mean 'heading'?)"
    assert nearest("x", ["b", "a"]) == " (choose from a, b)"


def test_what_cannot_be_written_is_said(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "file" / "a.txt", tmp_path / "folder"):
        with pytest.raises(InputError, match=f"{path}: cannot be written"):
            write_text(path, "y")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]
    with pytest.raises(InputError, match="a.txt: cannot be written .No space left"):
        with replacing(tmp_path / "a.txt"):
            raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(OSError, match="other") as caught, replacing(tmp_path / "a.txt"):
        raise OSError(errno.ENOENT, "other")
    assert not isinstance(caught.value, InputError)


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path):
    """Outputs on another disk: the link is the user's, a chain of them too."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "a.txt").write_text("old")
    (tmp_path / "b.txt").symlink_to("disk/a.txt")
    (tmp_path / "c.txt").symlink_to(tmp_path / "b.txt")
    (tmp_path / "d.txt").symlink_to("disk/new/d.txt")  # leads to nothing yet
    write_text(tmp_path / "c.txt", "new")
    write_text(tmp_path / "d.txt", "first")
    assert all((tmp_path / f"{name}.txt").is_symlink() for name in "bcd")
    assert not (tmp_path / "disk" / "a.txt").is_symlink()
    assert (tmp_path / "disk" / "a.txt").read_text() == "new"
    assert (tmp_path / "disk" / "new" / "d.txt").read_text() == "first"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b.txt", "c.txt", "d.txt", "disk"]
    assert sorted(p.name for p in (tmp_path / "disk").iterdir()) == ["a.txt", "new"]


def test_a_link_to_itself_or_to_a_folder_is_refused(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    for name in ("loop", "link"):
        with pytest.raises(InputError, match=f"{name}: cannot be written"):
            with replacing(tmp_path / name):
                pytest.fail("said before the work, not after it")
        assert (tmp_path / name).is_symlink()


def test_a_pipe_is_written_into(tmp_path):
    """The writer waits for a reader; a pipe that leads elsewhere is followed."""
    pipe, link, text = tmp_path / "pipe", tmp_path / "link", "line\n" * 50_000  # beyond its buffer
    os.mkfifo(pipe)
    link.symlink_to("pipe")
    for path in (pipe, link):
        with (tmp_path / "read").open("w") as read:
            reader = subprocess.Popen(["cat", pipe], stdout=read)
            write_text(path, text)
            assert reader.wait() == 0
        assert (tmp_path / "read").read_text() == text
    assert stat.S_ISFIFO(pipe.stat().st_mode) and link.is_symlink()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link", "pipe", "read"]


def test_a_pipe_whose_reader_leaves_is_an_error_in_one_line(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = subprocess.Popen(["head", "-c", "1", pipe], stdout=subprocess.DEVNULL)
    with pytest.raises(InputError, match="pipe: cannot be written .Broken pipe"):
        write_text(pipe, "line\n" * 500_000)
    reader.wait()
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_device_is_written_into(tmp_path, monkeypatch):
    """No true one: a plain file that says that it is none."""
    path = tmp_path / "device"
    path.write_text("old")
    number = path.stat().st_ino
    with monkeypatch.context() as patched:
        patched.setattr(stat, "S_ISREG", lambda mode: False)
        with pytest.raises(RuntimeError), replacing(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError
        assert path.read_text() == "old"
        write_text(path, "new")
    assert path.read_text() == "new" and path.stat().st_ino == number


def test_what_is_printed_to_a_file_stays_in_it(tmp_path):
    """/dev/stdout is a link to the file that the shell opened, maybe to add to it."""
    path = tmp_path / "log.txt"
    code = (
        "from gcsa.files import write_text; print('a'); "
        f"write_text('/dev/stdout', 'b\\n'); write_text({str(path)!r}, 'c\\n'); print('d')"
    )
    path.write_text("before\n")
    with path.open("a") as file:
        subprocess.run([sys.executable, "-c", code], stdout=file, check=True)
    assert path.read_text() == "before\na\nb\nc\nd\n"


WRITER = """
import sys, time
from gcsa.files import replacing
with replacing(sys.argv[1]) as temporary:
    temporary.write_text("half")
    print("ready", flush=True)
    time.sleep(100_000)
"""


def started(*words):
    """A process that has written half a file."""
    process = subprocess.Popen(
        [sys.executable, "-c", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    return process


def test_temporary_files_of_dead_processes_are_swept(tmp_path):
    dead, alive = (started(WRITER, tmp_path / "a.txt") for _ in range(2))
    own = tmp_path / ".gcsa-mine.tmp"
    own.mkdir()
    (own / "kept.txt").write_text("not ours")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "part").write_text("not ours")
    (tmp_path / ".gcsa-link.tmp").symlink_to(elsewhere)
    try:
        dead.kill()
        dead.communicate()
        assert len(list(tmp_path.glob(".gcsa-*.tmp/part"))) == 3
        write_text(tmp_path / "b.txt", "b")
        (left,) = set(tmp_path.glob(".gcsa-*.tmp/part")) - {tmp_path / ".gcsa-link.tmp" / "part"}
        assert left.read_text() == "half" and (own / "kept.txt").is_file()
        assert (elsewhere / "part").is_file()
    finally:
        alive.kill()
        alive.communicate()


def test_a_folder_swept_before_it_was_locked_is_made_anew(tmp_path, monkeypatch):
    made = files.tempfile.mkdtemp
    swept = []

    def mkdtemp(**where):
        name = made(**where)
        if not swept:
            swept.append(name)
            os.rmdir(name)
        return name

    monkeypatch.setattr(files.tempfile, "mkdtemp", mkdtemp)
    write_text(tmp_path / "a.txt", "a")
    assert swept and [p.name for p in tmp_path.iterdir()] == ["a.txt"]


STOPPED = f"""
from gcsa.errors import run_program
def main():
    exec({WRITER!r})
run_program(main)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_program_says_one_line_and_leaves_nothing(tmp_path, number):
    process = started(STOPPED, tmp_path / "a.txt")
    process.send_signal(number)
    assert process.communicate()[1] == "interrupted\n"
    assert process.returncode == 130 and not list(tmp_path.iterdir())


def test_a_forked_worker_ends_by_the_signal_itself():
    """Whoever ends workers so, as pools do, wants no line of each."""
    code = """
import os, signal, time
from gcsa.errors import run_program
def main():
    read, write = os.pipe()
    worker = os.fork()
    if not worker:
        os.write(write, b"x")
        while True:
            time.sleep(0.01)
    os.read(read, 1)
    os.kill(worker, signal.SIGTERM)
    print(os.WTERMSIG(os.waitpid(worker, 0)[1]))
run_program(main)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == (f"{int(signal.SIGTERM)}\n", "")


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (KeyError("shape"), "KeyError: 'shape'; expected an array"),
        (ValueError("bad\n  magic"), "bad magic; expected an array"),
        (OSError(5, "Input/output error"), "Input/output error; expected an array"),
        (EOFError(), "it ends too early; expected an array"),
        (MemoryError(), "takes more memory than there is; expected an array"),
        (ValueError("x" * 1000), "x" * 200 + " ...; expected an array"),
    ],
)
def test_the_door_of_a_reader_tells_what_a_library_raises(raised, said):
    with pytest.raises(InputError) as told, reading("a.npy", "an array"):
        raise raised
    assert str(told.value) == f"a.npy: {said}" and told.value.__cause__ is raised


def test_the_door_of_a_reader_lets_better_messages_pass():
    better = InputError("a.npy, row 3: not finite")
    with pytest.raises(InputError) as told, reading("a.npy", "an array"):
        raise better
    assert told.value is better
    with pytest.raises(MissingFileError), reading("a.npy", "an array"):
        open("no/such/file")
    with pytest.raises(KeyboardInterrupt), reading("a.npy", "an array"):
        raise KeyboardInterrupt


@pytest.mark.parametrize("read", [read_text, read_lines])
def test_text_of_others(tmp_path, read):
    path = tmp_path / "t.txt"
    path.write_bytes(b"\xef\xbb\xbfa\r\nb\rc\n")
    assert read(path) in ("a\nb\nc\n", b"a\nb\nc\n")
    for content, message in (
        (b"\xff\xfea\0", "UTF-16 text; save it as UTF-8"),
        (b"a\r\nb\0", "line 2: not text, holds a zero byte"),
        (b"a\nb\n\xe9", "line 3: not UTF-8 text"),
    ):
        path.write_bytes(content)
        with pytest.raises(InputError, match=f"t.txt: {message}"):
            read(path)
