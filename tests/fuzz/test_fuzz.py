"""A few hundred mutated files in the suite's time; scripts/fuzz.py reads any number of them."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from pages import ROOT

from gcsa.files.limits import LIMITS

sys.path.insert(0, str(ROOT / "tests" / "fuzz"))

import mutations  # noqa: E402

COUNT = 350


def test_every_reader_reads_or_refuses(tmp_path):
    command = [sys.executable, "scripts/fuzz.py", "--count", str(COUNT), "--keep", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert f"{COUNT} inputs" in done.stdout, done.stderr
    assert done.returncode == 0, done.stdout


def test_the_kernels_see_no_fault_of_memory():
    """While a thread changes their indices; scripts/sanitize.sh has all of their tests."""
    gcc = shutil.which("gcc")
    ask = [gcc or "gcc", "-print-file-name=libasan.so"]
    if gcc is None or not Path(subprocess.check_output(ask, text=True).strip()).is_absolute():
        pytest.skip("no compiler with AddressSanitizer")
    tests = "--noconftest tests/sideinfo/test_changing_indices.py"  # torch is not needed
    environment = {**os.environ, "TESTS": tests, "COUNT": "0", "PYTHON": sys.executable}
    command = ["bash", "scripts/sanitize.sh"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.stdout.endswith("sanitize: no fault\n"), done.stdout + done.stderr


@pytest.mark.parametrize("mutation", [mutations.of_bytes, mutations.of_text, mutations.of_pickle])
def test_a_number_makes_the_same_file_again(mutation):
    data = b"\x80\x02](K\x01X\x01\x00\x00\x00ae."
    made = [mutation(data, Random(i)) for i in range(50)]
    assert made == [mutation(data, Random(i)) for i in range(50)] and len(set(made)) > 20


def test_the_page_has_all_limits():
    text = (ROOT / "docs" / "security.md").read_text()
    rows = re.findall(r"(?m)^\| `(GCSA_\w+)` \| (\d+) \|", text)
    assert {name: int(most) for name, most in rows} == {n: x.most for n, x in LIMITS.items()}
