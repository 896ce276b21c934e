#!/usr/bin/env bash
# From nothing to a table: install, make the miniworld, pre-train, train, evaluate, challenge file.
# Everything that it makes lies in .venv and outputs/quickstart. Run again, it keeps the
# installation and the miniworld, and trains anew.
set -euo pipefail
cd "$(dirname "$0")/.."

here=outputs/quickstart
outputs=$here/outputs
runs=$outputs/training
step=installation
trap 'echo "quickstart: $step failed" >&2' ERR
# Threads that wait without spinning: several times faster where other programs use the cores too.
export OMP_WAIT_POLICY=passive

bash scripts/install.sh
python=.venv/bin/python
started=$(date +%s)

step="the miniworld"
$python -m gcsa.miniworld --out "$here" --size small --seed 0
rm -rf "$runs/pretrain" "$runs/train"
step="pre-training"
$python -m gcsa.train --name pretrain --conf configs/miniworld_pretrain.yaml
step="training"
$python -m gcsa.train --name train --conf configs/miniworld_train.yaml
best=$runs/train/checkpoint_best.pth.tar
step="evaluation"
$python -m gcsa.evaluate --conf configs/miniworld_train.yaml --json "$outputs/none.json" >/dev/null
$python -m gcsa.evaluate --conf configs/miniworld_train.yaml --checkpoint "$best" \
    --json "$outputs/gcsa.json" >/dev/null
step="the challenge file"
$python -m gcsa.msls.test --conf configs/miniworld_train.yaml --checkpoint "$best" \
    --output "$outputs/challenge.csv" >/dev/null
step="the summary"
$python scripts/summary.py "$outputs" --seconds $(($(date +%s) - started))
echo "
re-ranking model  $best
challenge file    $outputs/challenge.csv, to submit: $outputs/challenge.zip
figures           $outputs/summary.json
images            $here/datasets/msls"
