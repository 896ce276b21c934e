"""The programs as a shell starts them: light until they are told what to do, alike in options."""

import re
import subprocess
import sys

import pytest

PROGRAMS = """
train evaluate pairs pairs_from_poses rerank benchmark report msls.test lamar.labels
lamar.localize miniworld miniworld.building folder.from_exif folder.from_sfm folder.describe
datasets.landmarks.convert
""".split()
HEAVY = {"torch", "pandas", "scipy", "matplotlib", "h5py", "omegaconf", "shapely"}


def shell(*words):
    return subprocess.run([sys.executable, *words], capture_output=True, text=True)


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_comes_before_heavy_imports(program):
    done = shell("-X", "importtime", "-m", f"gcsa.{program}", "--help")
    assert done.returncode == 0 and done.stdout.startswith(f"usage: gcsa {program} ")
    imported = set(re.findall(r"^import time: .* \| +([\w.]+)$", done.stderr, flags=re.M))
    assert {"argparse", "gcsa.options"} <= imported
    assert not imported & HEAVY
