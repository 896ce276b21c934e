"""scripts/gpu_check.sh: without a GPU it goes as far as it can, and says what that is not."""

import json
import os
import subprocess
import sys

import pytest
from believed_gpu import GPU, believed
from pages import ROOT


def test_a_tiny_run(tmp_path):
    file = tmp_path / "found" / "gpu.json"
    command = ["bash", "scripts/gpu_check.sh", "--tiny", "--device", "cpu", "--json", str(file)]
    environment = {**os.environ, "PYTHON": sys.executable}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.split("|") for line in done.stdout.splitlines() if line.startswith("| ")]
    found = {row[1].strip(): (row[3].strip(), row[5].strip()) for row in rows[2:]}
    kept = json.loads(file.read_text())
    assert [row["what"] for row in kept["rows"]] == [row[1].strip() for row in rows[2:]]
    assert not kept["gpu"] and " cores, " in kept["machine"]
    for what in (
        "forward",
        "loss ap",
        "gradients",
        "training, fp32",
        "resume",
        "first round, half",
    ):
        assert found[what][1] == "not measured: no GPU" and float(found[what][0]) < 1e-4
    for what in ("training, bf16", "training, fp16"):  # another way on one device
        assert found[what][1] == "ok" and 0 < float(found[what][0]) < 0.05
    for what in ("pinned copies", "data.on_device"):
        assert found[what] == ("0", "ok")
    for what in ("training, stage 2, shared", "the MSLS schedule", "extraction, ResNet-50"):
        assert found[what] == ("", "not measured: no GPU") and kept["values"][what]
    assert "`bash scripts/gpu_check.sh` on a machine with one" in done.stdout


@pytest.fixture
def results(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks" / "gpu_check"))
    import results

    return results


def test_what_is_wrong_or_left_out_is_named(results, capsys):
    made = results.Results(seconds=1000, gpu=True)

    def broken():
        raise RuntimeError("two | devices\nin one sum")

    made.compare("a", "x", lambda: 0.5, 1.0)
    made.compare("b", "x", lambda: 2.0, 1.0)
    made.compare("c", "x", broken, 1.0)
    made.compare("d", "x", lambda: float("nan"), 1.0)
    made.measure("e", "x", lambda: {"ms": 3})
    made.seconds = 0
    made.measure("f", "x", lambda: {"ms": 3})
    verdicts = [row.verdict for row in made.rows]
    assert verdicts == ["ok", "DIFFERS", "FAILED", "DIFFERS", "ok", "left out: no time left"]
    assert made.rows[2].found == "RuntimeError: two / devices in one sum"
    assert made.rows[4].found == "ms 3" and made.wrong == ["b", "c", "d"]
    assert made.markdown().count("\n") == 7


@pytest.fixture
def check(results, monkeypatch):
    """The parts of the check, with one small network in the place of three large ones."""
    import networks
    import photos_described
    import scenes
    import sizes

    monkeypatch.setattr(sizes, "PHOTOS", {"R": ("cosplace_ResNet18_512", (96, 64))})
    return networks, scenes, photos_described, sizes


@pytest.mark.filterwarnings("ignore:User provided device_type:UserWarning")
def test_no_tensor_of_the_cpu_meets_one_of_the_gpu(check, results):
    """All that the check does on a GPU, on one that is believed: the CPU's numbers, its rules."""
    networks, scenes, photos_described, sizes = check
    city, made = networks.small_city(16), results.Results(seconds=1e6, gpu=True)
    with believed():
        networks.check(made, city, GPU, True)
        scenes.check(made, city, GPU, True)
        photos_described.check(made, GPU, True)
        sizes.measure_all(made, GPU, True)
    assert not made.wrong, made.markdown()
    assert len(made.rows) > 38 and {row.verdict for row in made.rows} == {"ok"}
    for what in ("loss sare", "data.on_device", "first round, half", "posterior, fov, recall"):
        assert what in {row.what for row in made.rows}


def test_a_python_without_torch_is_refused(tmp_path):
    environment = {**os.environ, "PYTHON": "/bin/false"}
    command = ["bash", "scripts/gpu_check.sh", "--tiny"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 2 and "/bin/false has no torch" in done.stderr
