"""Freed memory is used again: fresh tensors cost no page faults."""

import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys, torch
from gcsa.descriptors.memory import keep_freed_memory
if sys.argv[1] == "keep":
    print(keep_freed_memory(), keep_freed_memory())
torch.set_num_threads(1)
x = torch.ones(20_000_000)
for _ in range(12):  # until the heap has found its shape
    y = x + 1
    del y
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    y = x + 1
    del y
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mallopt is glibc's")
def test_a_tensor_of_80_megabytes_is_not_mapped_anew():
    def faults(word):
        command = [sys.executable, "-c", PROGRAM, word]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()

    *said, kept = faults("keep")
    assert said == ["True", "True"]
    assert int(kept) < 1000 < 50_000 < int(faults("default")[0])
