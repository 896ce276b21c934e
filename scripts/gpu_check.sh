#!/usr/bin/env bash
# Everything that differs on a GPU, checked against the CPU and measured at the published sizes, in
# at most 8 minutes: one Markdown table, and outputs/gpu_check.json. Without a GPU it goes as far as
# the CPU can. Takes .venv, or the Python that PYTHON names if that has torch, or installs .venv.
# Options go to benchmarks/gpu_check: --tiny, --seconds N, --json FILE, --device D.
set -euo pipefail
cd "$(dirname "$0")/.."

started=$(date +%s)
python=${PYTHON:-.venv/bin/python}
if ! "$python" -c "import torch, h5py, omegaconf" 2>/dev/null; then
    if [ -n "${PYTHON:-}" ]; then
        echo "gpu_check: $PYTHON has no torch, h5py or omegaconf" >&2 && exit 2
    fi
    bash scripts/install.sh
fi
export PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH} OMP_WAIT_POLICY=passive
left=$((470 - ($(date +%s) - started)))
exec "$python" benchmarks/gpu_check --seconds "$left" "$@"
