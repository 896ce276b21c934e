"""The scripts: their help, and one line for what is run too early or with a wrong number."""

import subprocess
import sys

import pytest
from commands import call_file
from pages import ROOT

SCRIPTS = sorted(path.name for path in (ROOT / "scripts").glob("*.py"))
TOO_EARLY = {
    "release_checkpoints.py": (["--outputs", "{none}"], "no such checkpoint; run the quick starts"),
    "summary.py": (["{none}", "--seconds", "1"], "no such report; bash scripts/quickstart.sh"),
    "ablation.py": (["--seeds", "0"], "--seeds: 0 is less than 1"),
    "place_loss_study.py": (["--seeds", "0"], "--seeds: 0 is less than 1"),
    "place_study.py": (["--rows", "nothing"], "--rows: no row ['nothing']; expected of"),
    "radio_pruning.py": (["--fractions", "25"], "--fractions: 25 are not shares above 0, up to 1"),
}


def run(*arguments, cwd=ROOT):
    return subprocess.run([*map(str, arguments)], cwd=cwd, capture_output=True, text=True)


@pytest.mark.parametrize("name", SCRIPTS)
def test_help(name):
    assert "usage:" in call_file(ROOT / "scripts" / name, "--help")


@pytest.mark.parametrize("name", TOO_EARLY)
def test_one_line(name, tmp_path):
    arguments, message = TOO_EARLY[name]
    given = [a.replace("{none}", str(tmp_path / "none")) for a in arguments]
    done = run(sys.executable, f"scripts/{name}", *given)
    assert done.returncode == 2 and message in done.stderr
    assert done.stderr.startswith("error: ") and len(done.stderr.splitlines()) == 1


def test_the_study_of_buildings_needs_the_quick_start(tmp_path):
    (tmp_path / "scripts").mkdir()
    script = tmp_path / "scripts" / "lamar_study.sh"
    script.write_text((ROOT / "scripts" / "lamar_study.sh").read_text())
    done = run("bash", script)
    assert done.returncode == 2 and "run bash scripts/quickstart.sh --lamar first" in done.stderr
    assert not done.stdout
