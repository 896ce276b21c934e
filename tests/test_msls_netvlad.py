"""scripts/msls_netvlad.sh with a stand-in for hloc that records calls and writes small files."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "msls_netvlad.sh"
pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")

# Behaves as hloc does where it matters here: names relative to image_dir, names already in the
# file are skipped, one group an image. STUB_FAIL is a city at which it stops after one image,
# STUB_LAZY one for which it writes nothing and reports success.
STUB = """
import argparse, json, os, sys
from pathlib import Path

confs = {"netvlad": {"output": "global-feats-netvlad"}, "dir": {"output": "global-feats-dir"},
         "superpoint_max": {"output": "feats-superpoint-n4096-rmax1600"}}

def main(args):
    with open(os.environ["STUB_CALLS"], "a") as calls:
        calls.write(json.dumps(sys.argv[1:]) + "\\n")
    root = args.image_dir
    names = sorted(p.relative_to(root).as_posix() for p in root.glob("**/*.jpg"))
    if root.name == os.environ.get("STUB_LAZY"):
        return
    import h5py
    args.export_dir.mkdir(parents=True, exist_ok=True)
    path = args.export_dir / (confs[args.conf]["output"] + ".h5")
    with h5py.File(path, "a", libver="latest") as file:
        for name in names:
            if name in file:
                continue
            group = file.create_group(name)
            group["global_descriptor"] = [1.0] * 4
            group["global_descriptor"].attrs["half"] = args.as_half
            if root.name == os.environ.get("STUB_FAIL"):
                sys.exit("stub: cannot read an image")

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--image_dir", type=Path, required=True)
    parser.add_argument("--export_dir", type=Path, required=True)
    parser.add_argument("--conf", choices=list(confs), default="superpoint_max")
    parser.add_argument("--as_half", action="store_true")
    main(parser.parse_args())
"""
KEYS = ("-AbCdEfGhIjKlMnOpQrStU", "_bCdEfGhIjKlMnOpQrStUv", "cDeFgHiJkLmNoPqRsTuVwX")


@pytest.fixture
def place(tmp_path):
    """A folder with a stand-in hloc and images of one training, one validation, one test city."""
    package = tmp_path / "stub" / "hloc"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "extract_features.py").write_text(STUB)
    for city in ("train_val/zurich", "train_val/cph", "test/miami"):
        for role in ("query", "database"):
            add_images(tmp_path / "data sets" / "msls" / city / role, KEYS)
    return tmp_path


def add_images(folder, keys):
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for key in keys:
        (folder / "images" / f"{key}.jpg").write_bytes(b"")


def run(place, *args, **env):
    command = ["bash", str(SCRIPT), "--root", "data sets", "--outputs", "out puts"]
    env = {"PYTHONPATH": str(place / "stub"), "STUB_CALLS": str(place / "calls"), **env}
    return subprocess.run(
        [*command, "--python", sys.executable, *args],
        cwd=place,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
    )


def calls(place):
    path = place / "calls"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def names_in(path):
    with h5py.File(path) as file:
        return {f"{a}/{b}/{c}" for a in file for b in file[a] for c in file[a][b]}


def test_all_cities_then_resume(place):
    first = run(place)
    assert first.returncode == 0, first.stderr
    assert first.stdout.splitlines()[-1] == "3 extracted, 0 done before, 27 absent, 0 failed"
    assert calls(place)[-1] == [
        "--image_dir",
        "data sets/msls/test/miami",
        "--export_dir",
        "out puts/msls/miami",
        "--conf",
        "netvlad",
        "--as_half",
    ]
    cities = [line.split(":")[0] for line in first.stdout.splitlines() if ": " in line]
    assert len(dict.fromkeys(cities)) == 30
    assert list(dict.fromkeys(cities))[-8:] == [
        "cph",
        "sf",
        "miami",
        "athens",
        "buenosaires",
        "stockholm",
        "bengaluru",
        "kampala",
    ]
    expected = {f"{role}/images/{key}.jpg" for role in ("query", "database") for key in KEYS}
    for city in ("zurich", "cph", "miami"):
        assert names_in(place / f"out puts/msls/{city}/global-feats-netvlad.h5") == expected
    assert "boston: skipped, absent: expected data sets/msls/train_val/boston/query/images" in (
        first.stdout.splitlines()
    )
    add_images(place / "data sets/msls/test/miami/query", ["dNew"])
    again = run(place, "cph", "miami")
    assert again.returncode == 0
    assert "miami: extracting 1 of 7 images" in again.stdout
    assert again.stdout.splitlines()[-1] == "1 extracted, 1 done before, 0 absent, 0 failed"
    assert len(calls(place)) == 4


def test_chosen_city_and_conf(place):
    done = run(place, "--conf", "dir", "miami")
    assert done.returncode == 0
    assert len(calls(place)) == 1
    assert (place / "out puts/msls/miami/global-feats-dir.h5").exists()


def test_failure_goes_on_and_is_resumed(place):
    failed = run(place, "cph", "miami", STUB_FAIL="cph")
    assert failed.returncode == 1
    assert "cph: FAILED" in failed.stderr
    assert failed.stdout.splitlines()[-1] == "1 extracted, 0 done before, 0 absent, 1 failed"
    resumed = run(place, "cph")
    assert resumed.returncode == 0
    assert "cph: extracting 5 of 6 images" in resumed.stdout


def test_success_without_descriptors_is_a_failure(place):
    lazy = run(place, "cph", STUB_LAZY="cph")
    assert lazy.returncode == 1
    assert "6 of 6 images are not in" in lazy.stderr


def test_broken_file(place):
    path = place / "out puts/msls/cph/global-feats-netvlad.h5"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not HDF5")
    broken = run(place, "cph", "miami")
    assert broken.returncode == 1
    assert "delete out puts/msls/cph/global-feats-netvlad.h5" in broken.stderr
    assert "Traceback" not in broken.stderr
    assert "miami: extracted, 6 images" in broken.stdout


def test_nothing_found(place):
    shutil.rmtree(place / "data sets")
    nothing = run(place)
    assert nothing.returncode == 1
    assert nothing.stdout.splitlines()[-1] == "0 extracted, 0 done before, 30 absent, 0 failed"
    (place / "data sets/msls/train_val/sf/query/images").mkdir(parents=True)
    (place / "data sets/msls/train_val/sf/database/images").mkdir(parents=True)
    empty = run(place, "sf")
    assert empty.returncode == 1
    assert "sf: skipped, absent: expected" in empty.stdout


@pytest.mark.parametrize("content", [None, "raise ImportError('No module named pycolmap')"])
def test_hloc_not_importable(place, content):
    if content is None:
        shutil.rmtree(place / "stub" / "hloc")
        (place / "stub" / "hloc.py").write_text("raise ModuleNotFoundError('No hloc')")
    else:
        (place / "stub/hloc/__init__.py").write_text(content)
    missing = run(place)
    assert missing.returncode == 1
    assert "git clone --recursive https://github.com/cvg/Hierarchical-Localization" in (
        missing.stderr
    )
    assert "pip install -e ." in missing.stderr
    assert "Traceback" not in missing.stderr and missing.stdout == ""


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["atlantis"], "unknown city atlantis"),
        (["--half"], "unknown option --half"),
        (["--conf"], "--conf needs a value"),
        (["--conf", "superpoint_max"], "not a global descriptor"),
        (["--conf", "nothing"], "not a global descriptor"),
    ],
)
def test_wrong_calls(place, args, text):
    wrong = run(place, *args)
    assert wrong.returncode == 2
    assert text in wrong.stderr
    assert calls(place) == []


def test_help(place):
    helped = run(place, "--help")
    assert helped.returncode == 0
    assert "usage: bash scripts/msls_netvlad.sh" in helped.stdout
