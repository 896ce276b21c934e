"""The compiled part of fov.py: how it is built, what its shell refuses, memory, and Ctrl-C."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from fields import QUARTER, one_pair, street

from gcsa.sideinfo import fov

ROOT = Path(__file__).resolve().parents[2]
COMPILED = [name for name in fov.BACKENDS if name != "shapely"]
needs_compiler = pytest.mark.skipif(not shutil.which("cc"), reason="there is no C compiler")


def build(folder, **environment):
    """Run setup.py's build of the extension into folder."""
    pytest.importorskip("setuptools", reason="builds need setuptools")
    command = [sys.executable, "setup.py", "-q", "build_ext", "-f", "-b", folder, "-t", folder]
    environment = {**os.environ, **environment}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0
    return [line for line in done.stderr.splitlines() if line.startswith("gcsa:")]


@pytest.mark.skipif(not shutil.which("geos-config"), reason="GEOS is not installed")
def test_compiled_where_geos_is_installed():
    assert list(fov.BACKENDS) == ["convex", "geos", "shapely"]


def test_without_the_compiled_part_the_numbers_are_the_same():
    code = """if True:
        import sys
        sys.modules["gcsa._kernels"] = None
        from gcsa.sideinfo import fov
        print(fov.backend(), fov.overlap_of_pairs([[0, 0]], [0.], [[0, 60]], [3.])[0])
        fov.overlap_pairs([[0, 0]], [0.], backend="geos")"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    name, overlap = done.stdout.split()
    assert (name, float(overlap)) == ("shapely", pytest.approx(one_pair([0, 60], 3.0), abs=1e-9))
    assert "backend must be one of shapely here, not 'geos'" in done.stderr


@needs_compiler
def test_without_geos_the_convex_kernel_is_built(tmp_path):
    (line,) = build(tmp_path, GEOS_CONFIG=str(tmp_path / "missing"))
    assert "apt-get install libgeos-dev" in line and "brew install geos" in line
    code = f"""if True:
        import gcsa
        gcsa.__path__.insert(0, {str(tmp_path / "gcsa")!r})
        from gcsa.sideinfo import fov
        print(*fov.BACKENDS, fov.backend(4.0))"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.split() == ["convex", "shapely", "shapely"]


def test_the_install_succeeds_without_a_compiler(tmp_path):
    lines = build(tmp_path, CC="/nonexistent/cc", GEOS_CONFIG=str(tmp_path / "missing"))
    assert not list(tmp_path.rglob("_kernels*"))
    assert len(lines) == 2 and "its pure-Python path gives the same numbers" in lines[1]


@pytest.fixture(params=COMPILED)
def compute(request):
    return fov.BACKENDS[request.param]


def arguments(**changes):
    """What the shell takes, for four cameras in one place, paired with themselves."""
    cameras, index = np.tile([0.0, 0.0, 0.0, 1.0], (4, 1)), np.arange(4)
    values = {"a": cameras, "b": cameras, "i": index, "j": index}
    values |= {"radius": 1.0, "reach": 2.0, "whole": 1.0, "angle": 1.0, "points": 16}
    return list((values | {"threads": 1, "out": np.zeros(4)} | changes).values())


def frozen(shape):
    out = np.zeros(shape)
    out.setflags(write=False)
    return out


@pytest.mark.parametrize(
    ("error", "changes"),
    [
        (TypeError, {"a": np.zeros((4, 4), np.float32)}),
        (TypeError, {"a": np.zeros((4, 4), ">f8")}),
        (TypeError, {"b": np.zeros(16)}),
        (TypeError, {"b": [[0.0] * 4] * 4}),
        (TypeError, {"i": np.arange(4.0)}),
        (TypeError, {"i": np.arange(4, dtype=np.int32)}),
        (TypeError, {"j": np.zeros((4, 1), np.int64)}),
        (TypeError, {"angle": "wide"}),
        (TypeError, {"out": np.zeros((2, 2, 1))}),
        ((ValueError, BufferError), {"out": frozen(4)}),
        ((ValueError, BufferError), {"out": np.zeros(8)[::2]}),
        ((ValueError, BufferError), {"i": np.arange(8)[::2]}),
        (ValueError, {"out": np.zeros(3)}),  # too short
        (ValueError, {"out": np.zeros((4, 3))}),
        (ValueError, {"j": np.arange(3)}),
        (ValueError, {"a": np.zeros((4, 3))}),
        (ValueError, {"points": 2}),
        (ValueError, {"points": 2**20}),
        (OverflowError, {"points": 2**40}),
        (ValueError, {"threads": 0}),
        (ValueError, {"angle": np.nan}),
        (ValueError, {"b": np.tile([0.0, 0.0, np.nan, 1.0], (4, 1))}),
        (IndexError, {"i": np.array([0, 1, 4, 3])}),
        (IndexError, {"j": np.array([0, -1, 2, 3])}),
        (IndexError, {"a": np.zeros((0, 4))}),
    ],
)
def test_the_shell_refuses_what_does_not_fit(compute, error, changes):
    compute(*arguments())
    with pytest.raises(error):
        compute(*arguments(**changes))
    with pytest.raises(TypeError):
        compute(*arguments()[:-1])


@pytest.mark.parametrize("one_set", [True, False])
def test_a_block_is_its_pairs(compute, one_set):
    random = np.random.default_rng(0)
    a, b = random.uniform(-1, 1, (2, 9, 4))
    for cameras in (a, b):
        cameras[:, 2:] /= np.hypot(*cameras[:, 2:].T)[:, None]
    b = a if one_set else b
    for same in range(6):  # the first rows and columns, and then others
        i, j = random.permutation(9)[:6], random.permutation(9)[:8]
        j[:same] = i[:same]
        block, pairs = np.full((6, 8), 7.0), np.full(48, 7.0)
        compute(*arguments(a=a, b=b, i=i, j=j, out=block))
        compute(*arguments(a=a, b=b, i=np.repeat(i, 8), j=np.tile(j, 6), out=pairs))
        assert 0 < np.count_nonzero(pairs) < 48
        np.testing.assert_allclose(block.ravel(), pairs, rtol=0, atol=1e-12)


def test_blocks_of_no_rows_or_columns(compute):
    none = np.zeros(0, np.int64)
    for shape in ((0, 4), (4, 0), (0, 0)):
        i, j = (np.arange(4) if length else none for length in shape)
        compute(*arguments(i=i, j=j, out=np.zeros(shape)))


def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="there is no /proc")
def test_memory_stays_flat_when_calls_fail(compute):
    crossing = {"angle": np.deg2rad(400), "a": np.tile([0.1, 0.2, 0.8, 0.6], (4, 1))}

    def many(times):
        for _ in range(times):
            compute(*arguments())
            with pytest.raises(ValueError, match=r"i\[0\]"):
                compute(*arguments(angle=np.nan))
            with pytest.raises(IndexError, match="index 7 at 0, of 4 cameras"):
                compute(*arguments(i=np.full(4, 7)))
            if compute is fov.BACKENDS.get("geos"):  # a polygon that crosses itself
                with pytest.raises(RuntimeError, match="TopologyException"):
                    compute(*arguments(**crossing))

    many(1000)
    before = resident()
    many(5000)
    assert resident() - before < 2**20


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="there is no /proc")
@pytest.mark.skipif(not COMPILED, reason="not compiled")
@pytest.mark.parametrize("num_threads", [1, 3])
def test_as_many_threads_as_asked_and_without_the_gil(num_threads):
    positions, headings = street(2000, width=50.0)  # two million close pairs: a quarter second
    how = {"num_threads": num_threads}
    before, most = len(os.listdir("/proc/self/task")), 0
    for _ in range(50):  # on a busy machine all of them may be over before anybody looks
        worker = threading.Thread(target=fov.overlap_pairs, args=(positions, headings), kwargs=how)
        worker.start()
        while worker.is_alive():
            most = max(most, len(os.listdir("/proc/self/task")))
        if most >= before + num_threads:
            break
    assert most == before + num_threads


@pytest.mark.skipif("geos" not in fov.BACKENDS, reason="built without GEOS")
def test_ctrl_c_gets_through():
    positions, headings = street(1000, width=50.0)  # half a million close pairs: seconds
    handler = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    start = time.process_time()
    try:
        with pytest.raises(KeyboardInterrupt):
            fov.overlap_pairs(positions, headings, angle=QUARTER, backend="geos")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
    assert time.process_time() - start < 2, "of all the seconds that it would have taken"


@pytest.mark.skipif(not COMPILED, reason="not compiled")
@pytest.mark.parametrize("bad", [0, 1, 2, 299])
@pytest.mark.parametrize("num_threads", [1, 2, 4])
def test_a_failure_on_any_thread_is_raised(bad, num_threads):
    """Below the checks of fov.py: a camera that is not finite fails in the thread it falls to."""
    from gcsa import _kernels

    random, n = np.random.default_rng(0), 300
    cameras = np.column_stack([random.uniform(0, 30, (n, 2)), np.zeros(n), np.ones(n)])
    broken = cameras.copy()
    broken[bad, 2] = np.nan
    field = 50.0, 100.0, 0.7, QUARTER, 16, num_threads
    every = np.arange(n)
    with pytest.raises(ValueError):
        _kernels.convex_overlaps(broken, cameras, every, every, *field, np.empty((n, n)))


def test_output_lies_apart_from_what_is_read(compute):
    cameras = np.tile([0.0, 0.0, 0.0, 1.0], (4, 1))
    with pytest.raises(ValueError, match="out shares memory with cameras_a"):
        compute(*arguments(a=cameras, out=cameras.ravel()[4:8]))
    memory = np.zeros(8)
    index = memory[:4].view(np.int64)
    with pytest.raises(ValueError, match="out shares memory with j"):
        compute(*arguments(j=index, out=memory[:4]))
    compute(*arguments(j=index, out=memory[4:]))  # beside each other
