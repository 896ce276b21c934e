"""The programs as a shell starts them: light until they are told what to do, alike in options."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import overrides

import gcsa
from gcsa import options
from gcsa.__main__ import PROGRAMS, find, main
from gcsa.config import load_config
from gcsa.errors import InputError, run_program
from gcsa.train import train
from gcsa.training.trainer import Trainer

ROOT = Path(__file__).parents[2]
HEAVY = {"torch", "pandas", "scipy", "matplotlib", "h5py", "omegaconf", "shapely"}
OLD = {
    "pairs": [("--num_matched", "--num")],
    "pairs_from_poses": [("--num_matched", "--num")],
    "msls.test": [("--k", "--num")],
    "lamar.localize": [("--top_k", "--num")],
    "lamar.labels": [("--num", "--candidates")],
    "benchmark": [("--num", "--candidates")],
}
NEEDED = {
    "pairs": ["--output", "p.txt"],
    "pairs_from_poses": ["--output", "p.txt"],
    "msls.test": ["--checkpoint", "c.pth.tar", "--output", "c.csv"],
    "lamar.localize": ["--conf", "c.yaml"],
}


def shell(*words, **environment):
    return subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, env={**os.environ, **environment}
    )


def call(monkeypatch, *words):
    monkeypatch.setattr("sys.argv", ["gcsa", *words])
    main()


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_comes_before_heavy_imports(program):
    done = shell("-X", "importtime", "-m", f"gcsa.{program}", "--help")
    assert done.returncode == 0 and done.stdout.startswith(f"usage: gcsa {program} ")
    imported = set(re.findall(r"^import time: .* \| +([\w.]+)$", done.stderr, flags=re.M))
    assert {"argparse", "gcsa.options"} <= imported
    assert not imported & HEAVY
    for file in re.findall(r"(?:configs|checkpoints)/[\w./]+", " ".join(done.stdout.split())):
        assert (ROOT / file).is_file(), file


def test_programs_start_with_little_more_than_torch():
    slow = {"torch._dynamo", "scipy.stats", "matplotlib"}
    code = f"import gcsa.training.session, sys; print({slow} & set(sys.modules))"
    assert shell("-c", code).stdout == "set()\n"


def test_every_program_is_in_the_table():
    files = [p for p in (ROOT / "gcsa").rglob("*.py") if "run_program(main)" in p.read_text()]
    names = {".".join(p.relative_to(ROOT / "gcsa").with_suffix("").parts) for p in files}
    assert {name.removesuffix(".__main__") for name in names - {"__main__"}} == set(PROGRAMS)


def test_one_command_for_all():
    done = shell("-X", "importtime", "-m", "gcsa", "--help")
    places = [done.stdout.index(f"  {name} ") for name in PROGRAMS]
    assert places == sorted(places) and "gcsa PROGRAM --help" in done.stdout
    assert not re.search(r"\| +(torch|numpy)$", done.stderr, flags=re.M)
    assert shell("-m", "gcsa", "--version").stdout == f"gcsa {gcsa.__version__}\n"
    done = shell("-m", "gcsa", "trian")
    assert done.returncode == 2
    assert done.stderr == "error: no program 'trian' (did you mean 'train'?)\n"


def test_it_is_what_python_m_does(monkeypatch, capsys):
    with pytest.raises(InputError, match="none.yaml: no such config file"):
        call(monkeypatch, "evaluate", "--conf", "none.yaml")
    call(monkeypatch)
    assert "usage: gcsa PROGRAM" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "answers"),
    [
        ("gcsa tra", ["train "]),
        ("gcsa train --res", ["--resume "]),
        ("gcsa miniworld --size ", ["tiny", "small", "large"]),
        ("gcsa pairs --num", ["--num "]),
    ],
)
def test_the_shell_completes(line, answers, tmp_path):
    asked = {"COMP_LINE": line, "COMP_POINT": str(len(line)), "COMP_TYPE": "9", "_ARGCOMPLETE": "1"}
    where = {"_ARGCOMPLETE_IFS": "\n", "_ARGCOMPLETE_STDOUT_FILENAME": str(tmp_path / "answer")}
    assert shell("-m", "gcsa", **asked, **where).returncode == 0
    assert (tmp_path / "answer").read_text().split("\n") == answers


@pytest.mark.parametrize(
    ("program", "old", "new"), [(p, *names) for p, pairs in OLD.items() for names in pairs]
)
def test_old_names_of_options(program, old, new, capsys):
    parser, needed = find(program).parser(), NEEDED.get(program, [])
    today = parser.parse_intermixed_args([*needed, new, "7"])
    assert capsys.readouterr().err == ""
    assert parser.parse_intermixed_args([*needed, old, "7"]) == today
    assert f"note: {old} is called {new} now" in capsys.readouterr().err
    assert f"{old} " not in parser.format_help().replace(f"{new} ", "")


def test_one_name_for_the_device(capsys):
    parser = find("evaluate").parser()
    args = parser.parse_intermixed_args(["--device", "cpu", "data.num_workers=0"])
    assert options.overrides(args) == ["data.num_workers=0", "train.device=cpu"]
    assert capsys.readouterr().err == ""
    args = parser.parse_intermixed_args(["train.device=cpu"])
    assert options.overrides(args) == ["train.device=cpu"]
    assert "note: train.device=... is --device ... now" in capsys.readouterr().err


@pytest.fixture
def conf(world, tmp_path):
    """A file with all settings of the little world."""
    from gcsa.config import save_config

    save_config(load_config(None, overrides(world, {"train.num_epochs": 1})), tmp_path / "c.yaml")
    return str(tmp_path / "c.yaml")


def test_the_log_has_what_is_said(conf, tmp_path):
    """Started as a user does, the module is __main__, whose log is not that of the package."""
    done = shell("-m", "gcsa.train", "--name", "a", "--conf", conf)
    assert done.returncode == 0, done.stderr
    log = (tmp_path / "outputs/training/a/log.txt").read_text()
    assert "without re-ranking: MSLS val cities" in log and "epoch 1: loss" in log


def test_an_interrupted_run_says_how_to_go_on(world, conf, tmp_path, monkeypatch, capsys):
    outputs = tmp_path / "outputs" / "training"
    train(load_config(conf), "whole")
    step = Trainer.step

    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "step", stopped)
    monkeypatch.setattr("sys.argv", ["gcsa", "train", "--name", "cut", "--conf", conf])
    with pytest.raises(SystemExit, match="130"):
        run_program(main)
    said = capsys.readouterr().err.splitlines()[-1]
    assert said == f"interrupted; go on with: gcsa train --resume {outputs / 'cut'}"
    monkeypatch.setattr(Trainer, "step", step)
    call(monkeypatch, *said.split(": gcsa ")[1].split())
    files = [(outputs / name / "metrics.csv").read_text() for name in ("whole", "cut")]
    assert files[0] == files[1]
    # By name, and with a setting that may change; --resume takes it for a run at first.
    more = [f"data.outputs={tmp_path / 'outputs'}", "train.num_epochs=2"]
    call(monkeypatch, "train", "--resume", "cut", *more)
    call(monkeypatch, "train", "--name", "cut", "--conf", conf, "--resume", more[1])
    assert len((outputs / "cut" / "metrics.csv").read_text().splitlines()) == 4


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--resume", "nne"], "nne: no run, neither as a folder nor in outputs/training"),
        (["--resume", "r", "--name", "r"], "leave --name and --conf out"),
        (["--name", "r"], "--name and --conf: expected both, or --resume RUN"),
    ],
)
def test_which_run(words, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=said):
        call(monkeypatch, "train", *words)


def test_a_run_that_was_moved(conf, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    Path(conf).rename(tmp_path / "elsewhere" / "config.yaml")
    with pytest.raises(InputError, match="its settings say that it is .*outputs/training/else"):
        call(monkeypatch, "train", "--resume", str(tmp_path / "elsewhere"))
