"""The package without its repository: built, installed into an empty environment, run elsewhere."""

from __future__ import annotations

import email
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
from conftest import SMALL, STAGE_2, overrides
from worlds import write_world

import gcsa

ROOT = Path(__file__).parents[1]
# What a build reads; neither .git nor tests nor what is compiled already.
SOURCES = """gcsa src_c configs checkpoints docs setup.py pyproject.toml MANIFEST.in README.md
    LICENSE CHANGELOG.md CITATION.cff CONTRIBUTING.md requirements.txt""".split()
PROGRAMS = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__main__")
    for path in (ROOT / "gcsa").rglob("*.py")
    if re.search(r"^if __name__ == .__main__.:", path.read_text(), re.MULTILINE)
)
# A path to this checkout would show its gcsa to pip and to Python.
CLEAN = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
# Each argument is a command, run in turn by one interpreter: torch is imported once.
RUN = """
import runpy, shlex, sys
for command in sys.argv[1:]:
    module, *sys.argv[1:] = shlex.split(command)
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as stop:
        if stop.code:
            sys.exit(f"{command}: {stop.code}")
from gcsa.sideinfo import fov
print("by", fov.backend(), "in", fov.__file__)
"""


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    """The folder of the sdist, and of the wheel that is built from it."""
    folder = tmp_path_factory.mktemp("build")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("*.so", "__pycache__")
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, folder)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", "dist", "."]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder / "dist"


@pytest.fixture
def install(tmp_path, dist):
    """Installs the archive of a pattern into an empty environment; returns its Python."""

    def into_an_empty_environment(pattern: str, **environment: str) -> Path:
        venv.create(tmp_path / "env", with_pip=False)
        python = tmp_path / "env" / "bin" / "python"
        # The packages that gcsa needs are those of the tests; gcsa itself is not among them, as
        # an editable install is reached by a .pth file, which is not read there.
        site = Path(sysconfig.get_path("purelib", vars={"base": str(tmp_path / "env")}))
        (site / "needed.pth").write_text(sysconfig.get_path("purelib") + "\n")
        (archive,) = dist.glob(pattern)
        options = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
        command = [sys.executable, "-m", "pip", "--python", python, "install", *options, archive]
        subprocess.run(command, check=True, env={**CLEAN, **environment})
        return python

    return into_an_empty_environment


@pytest.mark.parametrize(
    ("pattern", "environment", "backend"),
    [
        ("*.whl", {}, "convex" if shutil.which("cc") else "shapely"),
        ("*.tar.gz", {"CC": "false"}, "shapely"),
    ],
    ids=["wheel", "sdist without a compiler"],
)
def test_every_program_runs_elsewhere(install, tmp_path, pattern, environment, backend):
    python = install(pattern, **environment)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    write_world(elsewhere, {**dict.fromkeys(["zurich", "boston", "cph"], "train_val")})
    here = {"data.root": "datasets", "data.outputs": "outputs", "data.num_workers": 0}
    settings = {"data.desc_fn": "global-feats-test.h5", "train.num_epochs": 1, **SMALL, **here}
    stage_2 = {**STAGE_2, "train.init_proj": "random"}
    checkpoint = "outputs/training/pretrain/checkpoint_1.pth.tar"
    stage_2["train.checkpoint"] = checkpoint
    commands = [
        *(f"{program} --help" for program in PROGRAMS),
        " ".join(["gcsa.train --name pretrain --conf msls_pretrain", *overrides(settings)]),
        " ".join(["gcsa.train --name train --conf msls_train", *overrides(settings, stage_2)]),
        " ".join(["gcsa.report outputs/training/train --output report.html", *overrides(here)]),
    ]
    done = subprocess.run(
        [python, "-c", RUN, *commands], cwd=elsewhere, env=CLEAN, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("usage: ") >= len(PROGRAMS) > 10
    assert f"by {backend} in {python.parents[1]}" in done.stdout
    assert (elsewhere / "outputs/training/train/checkpoint_1.pth.tar").is_file()
    asked = [python.with_name("gcsa"), "--version"]
    assert subprocess.check_output(asked, env=CLEAN, text=True) == f"gcsa {gcsa.__version__}\n"
    assert "<svg" in (elsewhere / "report.html").read_text()


def test_archives_hold_the_package_and_its_settings(dist):
    here = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "gcsa").rglob("*")
        if path.is_file() and path.suffix not in (".pyc", ".so")
    }
    settings = {f"gcsa/configs/{path.name}" for path in (ROOT / "configs").glob("*.yaml")}
    (wheel,) = dist.glob("*.whl")
    (sdist,) = dist.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        names = {n for n in archive.namelist() if "dist-info/" not in n and ".so" not in n}
    assert names == here | settings | {"gcsa/checkpoints/place_universal.pth.tar"}
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert here <= names and set(SOURCES) <= names
    assert not [name for name in names if name.startswith(("tests", "outputs", "datasets"))]


def test_what_an_index_shows(dist):
    (wheel,) = dist.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith("METADATA"))
        shown = email.message_from_bytes(archive.read(name))
    text = shown.get_payload()
    assert shown["Description-Content-Type"] == "text/markdown" and text.startswith("# gcsa")
    assert not re.findall(r"\]\((?!https?://)", text)  # there are no files beside the page
    assert shown["Requires-Python"] == ">=3.10" and shown["License-Expression"] == "MIT"
    assert "Paper, https://arxiv.org/abs/2504.11134" in shown.get_all("Project-URL")
