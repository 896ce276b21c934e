"""A process of torchrun that is killed or stopped ends the others, and one of them says so."""

import os
import signal
import socket
import subprocess
import sys

import pytest

# Both are ready, and joined, before anything happens: only then does time count. Then one of them
# ends or stops, and the other waits for it until train.timeout is over.
MEMBER = """
import os, signal, sys
import torch
from gcsa import distributed
from gcsa.errors import run_program
from gcsa.train import REMEDY

def main():
    print("imported", flush=True)
    sys.stdin.readline()
    with distributed.processes(float(sys.argv[1]), REMEDY):
        distributed.sum_of(torch.ones(1))
        if os.environ["RANK"] == sys.argv[2]:
            os.kill(os.getpid(), getattr(signal, sys.argv[3]))
        distributed.sum_of(torch.ones(1))
        print("not reached", flush=True)

run_program(main)
"""
MINUTES = 0.2


def members(ranks, lost, number, minutes=MINUTES):
    """Some of two processes, of which ``lost`` gets a signal of that name."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = []
    for rank in ranks:
        environment = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "MASTER_PORT": port}
        environment |= {"MASTER_ADDR": "127.0.0.1", "OMP_NUM_THREADS": 1}
        started.append(
            subprocess.Popen(
                [sys.executable, "-c", MEMBER, str(minutes), str(lost), number],
                env={**_environment(), **{name: str(v) for name, v in environment.items()}},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    for process in started:
        assert process.stdout.readline() == "imported\n"
    for process in started:
        process.stdin.write("go\n")
        process.stdin.flush()
    return started


def _environment():
    return {name: v for name, v in os.environ.items() if not name.startswith("TORCHELASTIC")}


def test_one_that_never_comes_is_waited_for_no_longer():
    (alone,) = members([0], 2, "SIGKILL", minutes=0.05)
    output, said = alone.communicate()
    (line,) = [line for line in said.splitlines() if line.startswith("error: ")]
    assert line.startswith("error: another process of this run died, or did not answer for 0.05")
    assert "Traceback" not in said and output == "" and alone.returncode == 2


@pytest.mark.parametrize(("lost", "number"), [(1, "SIGKILL"), (0, "SIGKILL"), (1, "SIGSTOP")])
def test_the_others_end_with_one_line(lost, number):
    started = members([0, 1], lost, number)
    try:
        other = started[1 - lost]
        output, said = other.communicate()
        lines = [line for line in said.splitlines() if line.startswith("error: ")]
        assert lines == [
            "error: another process of this run died, or did not answer for 0.2 minutes "
            "(train.timeout); go on with --resume"
        ]
        assert "Traceback" not in said and output == "" and other.returncode == 2
    finally:
        for process in started:
            process.send_signal(signal.SIGKILL)
            process.communicate()
