#!/usr/bin/env bash
# What side information does on the miniworld's buildings: a table of retrieval by kind of side
# information, beside the radio filter of the LaMAR paper, and one of poses before and after.
# Arguments (--seeds N, section.key=value) go to scripts/ablation.py.
set -euo pipefail
cd "$(dirname "$0")/.."
export OMP_WAIT_POLICY=passive
conf=configs/miniworld_lamar_train.yaml
best=outputs/quickstart/outputs/training/lamar_train/checkpoint_best.pth.tar
if [ ! -f "$best" ]; then
    echo "error: $best: no such checkpoint; run bash scripts/quickstart.sh --lamar first" >&2
    exit 2
fi
.venv/bin/python scripts/ablation.py --conf "$conf" "$@"
.venv/bin/python scripts/radio_pruning.py --conf "$conf"
echo
.venv/bin/python -m gcsa.lamar.localize --conf "$conf" --method mean \
    --output outputs/quickstart/outputs/localize --checkpoint "$best"
