"""Faults of the machine end a program with one line and the right status."""

import errno
import os
import signal
import subprocess
import sys

import pytest

from gcsa.errors import run_program
from gcsa.errors.machine import of_the_machine
from gcsa.files import appending, replacing, writing

HELP = [sys.executable, "-m", "gcsa", "--help"]
PRINTS = "import sys\nfrom gcsa.errors import run_program\n"


def program(body, *words, **more):
    """A program of these lines, run; its standard error is looked at."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    code = f"{PRINTS}def main():\n{lines}run_program(main)"
    command = [sys.executable, "-c", code, *map(str, words)]
    return subprocess.run(command, stderr=subprocess.PIPE, text=True, **more)


def shell(text, *words):
    """A line of the shell, "$0 $@" the program's command; its status is the program's."""
    return subprocess.run(
        ["bash", "-c", text, *map(str, words)], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("lines", [1, 100_000])
def test_a_reader_that_leaves_is_one_line(lines, tmp_path):
    """As of `gcsa ... | head -1`: there is nobody at the other end of the pipe."""
    read, write = os.pipe()
    os.close(read)
    try:
        done = program(f"print('x\\n' * {lines})", stdout=write)
    finally:
        os.close(write)
    assert done.returncode == 141
    assert done.stderr == "error: standard output: cannot be written (its reader has left)\n"


def test_a_reader_that_leaves_the_command_itself(tmp_path):
    done = shell('"$0" "$@" | true; exit ${PIPESTATUS[0]}', *HELP)
    assert (done.returncode, done.stderr) in (
        (0, ""),  # it had written all before the reader left
        (141, "error: standard output: cannot be written (its reader has left)\n"),
    )


def test_closed_standard_output_is_one_line_where_something_is_printed():
    done = shell('"$0" "$@" >&-', *HELP)
    assert done.returncode == 2
    assert done.stderr == "error: standard output: cannot be written (Bad file descriptor)\n"


def test_a_program_that_prints_nothing_needs_no_standard_output(tmp_path):
    """Nor does what libraries print end up in the files that it opens."""
    path = tmp_path / "a.txt"
    body = "import os\nwith open(sys.argv[1], 'w') as file:\n    print(file.fileno(), file=file)"
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    code = f"{PRINTS}def main():\n{lines}run_program(main)"
    done = shell('"$0" "$@" >&-', sys.executable, "-c", code, path)
    assert (done.returncode, done.stderr) == (0, "")
    assert int(path.read_text()) > 2


def test_full_standard_output_is_one_line(tmp_path):
    with open(tmp_path / "out", "w") as file:
        limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        done = program(limit + "print('x' * 1000)", stdout=file)
    assert done.returncode == 2
    assert done.stderr == "error: standard output: cannot be written (File too large)\n"


def test_what_was_printed_before_an_error_is_there():
    done = program(
        "from gcsa.errors import InputError\nprint('x')\nraise InputError('wrong')",
        stdout=subprocess.PIPE,
    )
    assert (done.returncode, done.stdout, done.stderr) == (2, "x\n", "error: wrong\n")


WRITERS = {
    "text": "path.write_text('x' * 100_000)",
    "numpy": "import numpy\nwith open(path, 'wb') as f: numpy.save(f, numpy.zeros(100_000))",
    "npz": "import numpy\nwith open(path, 'wb') as f: numpy.savez(f, numpy.zeros(100_000))",
    "zip": "import zipfile\nwith zipfile.ZipFile(path, 'w') as f: f.writestr('a', b'x' * 100_000)",
    "torch": "import torch\ntorch.save(torch.zeros(100_000), path)",
    "table": "import pandas\npandas.DataFrame({'a': range(100_000)}).to_csv(path)",
    "picture": "from PIL import Image\nImage.effect_noise((999, 999), 9).save(path, 'PNG')",
    "hdf5": "import h5py\nwith h5py.File(path, 'w') as f: f['a'] = [0.5] * 100_000",
}


@pytest.mark.parametrize("writer", WRITERS)
def test_a_full_disk_is_one_line_whoever_writes(writer, tmp_path):
    path = tmp_path / "a"
    path.write_text("old")
    body = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n"
        "from gcsa.files import replacing\nwith replacing(sys.argv[1]) as path:\n"
    ) + "".join(f"    {line}\n" for line in WRITERS[writer].splitlines())
    done = program(body, path)
    said = done.stderr.splitlines()
    reasons = ("File too large", "only a part of it was taken, as by a full disk")
    lines = [f"error: {path}: cannot be written ({reason})" for reason in reasons]
    assert set(said) & set(lines) and done.returncode == 2
    assert len(said) == 1 or writer == "hdf5", "HDF5 complains by itself, at its end"
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["a"]


def test_features_on_a_full_disk_are_one_line(tmp_path):
    """HDF5 itself could not close its file any more."""
    path = tmp_path / "a.h5"
    done = program(
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n"
        "from gcsa.descriptors.new_hdf5 import new_hdf5\nwith new_hdf5(sys.argv[1]) as file:\n"
        "    for i in range(50): file[f'{i}/a'] = [0.5] * 1000",
        path,
    )
    assert done.stderr == f"error: {path}: cannot be written (File too large)\n"
    assert done.returncode == 2 and not os.listdir(tmp_path)


def test_appending_keeps_what_is_there_and_tells_a_full_disk(tmp_path):
    path = tmp_path / "a.txt"
    for line in ("a\n", "é\n"):
        with appending(path) as file:
            file.write(line)
    assert path.read_bytes() == b"a\n\xc3\xa9\n"
    done = program(
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "from gcsa.files import appending\nwith appending(sys.argv[1]) as file:\n"
        "    file.write('x' * 1000)",
        path,
    )
    assert done.stderr == f"error: {path}: cannot be written (File too large)\n"
    assert path.read_text().startswith("a\né\n")


def test_the_door_of_what_others_write(tmp_path):
    for raised in (RuntimeError("no\nroom"), OSError(errno.ENOSPC, "No space left on device")):
        with pytest.raises(ValueError, match="board: cannot be written") as told, writing("board"):
            raise raised
        assert "\n" not in str(told.value)


def test_another_fault_within_writing_stays_what_it_is(tmp_path):
    with pytest.raises(KeyError), replacing(tmp_path / "a"):
        raise KeyError("a")
    with pytest.raises(RuntimeError, match="other"), replacing(tmp_path / "a"):
        raise RuntimeError("other")
    assert not os.listdir(tmp_path)


def test_a_log_that_cannot_be_written_ends_and_the_program_goes_on(tmp_path):
    body = (
        "import logging, resource\nfrom pathlib import Path\nfrom gcsa.training.run import Run\n"
        "from gcsa.training.session import log_file\nfrom gcsa.config import Config\n"
        "logger = logging.getLogger('gcsa.test')\n"
        "with log_file(Run(Path(sys.argv[1]), Config())):\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "    for i in range(9): logger.info('line %d, and more to it', i)\n"
    )
    done = program(body, tmp_path)
    said = [line for line in done.stderr.splitlines() if not line.startswith("line ")]
    assert said == [f"{tmp_path}/log.txt: cannot be written (File too large); it ends here"]
    assert done.returncode == 0 and done.stderr.count("line ") == 9


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
def test_a_small_address_space_is_one_line():
    limit = "import resource; resource.setrlimit(resource.RLIMIT_AS, (1 << 32, 1 << 32))\n"
    for takes in (
        "import numpy; numpy.ones(1 << 34)",
        "import torch; torch.ones(1 << 34)",
        "bytearray(1 << 36)",
    ):
        done = program(limit + takes)
        assert done.returncode == 2, done.stderr
        (line,) = done.stderr.splitlines()
        assert line.startswith("error: not enough memory"), line


NOBODY = 65534


@pytest.fixture
def nobody(tmp_path):
    """Lines by which a program may not read what is not everybody's; root may read everything."""
    if os.getuid() != 0:
        return ""
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    return f"import os; os.seteuid({NOBODY})\n"


def test_a_file_or_a_folder_that_may_not_be_read_is_one_line(tmp_path, nobody):
    (tmp_path / "closed").mkdir()
    (tmp_path / "closed/a.txt").write_text("x")
    (tmp_path / "b.txt").write_text("x")
    (tmp_path / "closed").chmod(0)
    (tmp_path / "b.txt").chmod(0)
    try:
        for path in (tmp_path / "closed/a.txt", tmp_path / "b.txt"):
            done = program(f"{nobody}open(sys.argv[1])", path)
            assert done.stderr == f"error: {path}: Permission denied\n"
            assert done.returncode == 2
    finally:
        (tmp_path / "closed").chmod(0o755)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (MemoryError(), "not enough memory"),
        (RuntimeError("[enforce fail] can't allocate memory: 9 bytes"), "not enough memory ("),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "not enough memory ("),
        (OSError(errno.EIO, "Input/output error", "a.h5"), "a.h5: Input/output error"),
        (OSError(errno.EMFILE, "Too many open files"), "Too many open files"),
    ],
)
def test_what_the_machine_is_to_blame_for(error, line):
    assert of_the_machine(error).startswith(line)


@pytest.mark.parametrize("error", [KeyError("a"), FileNotFoundError(2, "x", "a"), RuntimeError()])
def test_faults_of_the_program_keep_their_traceback(error):
    def main():
        raise error

    assert of_the_machine(error) is None
    with pytest.raises(type(error)):
        run_program(main)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
