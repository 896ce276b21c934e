"""Every path that differs on a GPU, held against the CPU; then what the GPU does at full size.

Prints one Markdown table, and writes it with all figures as JSON. Without a GPU it goes as far as
it can: the CPU against itself where the ways differ, and sizes that only show that the code runs.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # machine.py, city.py, ...

import photos_described  # noqa: E402
import scenes  # noqa: E402
import sizes  # noqa: E402
import torch  # noqa: E402
from machine import describe  # noqa: E402
from networks import check, small_city  # noqa: E402
from results import Results  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(prog="gpu_check", description=__doc__)
    parser.add_argument("--json", default="outputs/gpu_check.json", metavar="FILE")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seconds", type=float, default=420, help="that all may take (420)")
    parser.add_argument("--tiny", action="store_true", help="seconds, to see that it runs")
    args = parser.parse_args()
    device = torch.device(args.device)
    if device.type == "cuda":
        device = torch.device("cuda", device.index or 0)
    results = Results(args.seconds, device.type == "cuda")
    print(f"{describe()}; device {device}\n", flush=True)
    scene = small_city(16 if args.tiny else 96)
    check(results, scene, device, args.tiny)
    scenes.check(results, scene, device, args.tiny)
    photos_described.check(results, device, args.tiny)
    sizes.measure_all(results, device, args.tiny)
    print(f"\n{results.markdown()}\n")
    results.write(Path(args.json), describe())
    passed = sum(row.verdict == "ok" for row in results.rows)
    text = f"{passed} of {len(results.rows)} rows are ok; figures in {args.json}"
    if not results.gpu:
        text += "; no GPU: `bash scripts/gpu_check.sh` on a machine with one measures the others"
    print(text if not results.wrong else f"{text}\nwrong: {', '.join(results.wrong)}")
    return 1 if results.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
