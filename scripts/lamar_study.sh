#!/usr/bin/env bash
# What side information does on the miniworld's buildings: a table of retrieval by kind of side
# information, beside the radio filter of the LaMAR paper, and one of poses before and after. Needs `quickstart.sh --lamar` first;
# arguments (--seeds N, section.key=value) go to scripts/ablation.py.
set -euo pipefail
cd "$(dirname "$0")/.."
export OMP_WAIT_POLICY=passive
conf=configs/miniworld_lamar_train.yaml
.venv/bin/python scripts/ablation.py --conf "$conf" "$@" 2>/dev/null
.venv/bin/python scripts/radio_pruning.py --conf "$conf" 2>/dev/null
echo
.venv/bin/python -m gcsa.lamar.localize --conf "$conf" --method mean \
    --output outputs/quickstart/outputs/localize \
    --checkpoint outputs/quickstart/outputs/training/lamar_train/checkpoint_best.pth.tar 2>/dev/null
