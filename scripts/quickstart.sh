#!/usr/bin/env bash
# From nothing to a table: install, make the miniworld, pre-train, train, evaluate. By default its
# streets, in the files of MSLS, with the challenge file; with --lamar its buildings, in the files
# of LaMAR, with labels and localisation. Everything that it makes lies in .venv and
# outputs/quickstart. Run again, it keeps the installation and the miniworld, and trains anew.
set -euo pipefail
cd "$(dirname "$0")/.."

case "${1:-}" in
"") part=streets prefix="" conf=configs/miniworld rule=neighbours ;;
--lamar) part=buildings prefix="lamar_" conf=configs/miniworld_lamar rule=neighbours-overlap ;;
*) echo "usage: bash scripts/quickstart.sh [--lamar]" >&2 && exit 2 ;;
esac
here=outputs/quickstart
outputs=$here/outputs
runs=$outputs/training
step=installation
trap 'echo "quickstart: $step failed" >&2' ERR
# Threads that wait without spinning: faster where other programs use the cores too.
export OMP_WAIT_POLICY=passive

bash scripts/install.sh
python=.venv/bin/python
started=$(date +%s)

step="the miniworld"
if [ "$part" = streets ]; then
    $python -m gcsa.miniworld --out "$here" --size small --seed 0
else
    $python -m gcsa.miniworld.building --out "$here" --size small --seed 0
    step="the labels"
    $python -m gcsa.lamar.labels --root "$here/datasets/lamar" --output "$here/labels" \
        --descriptors "$outputs/lamar/{scene}/global-feats-miniworld.h5"
fi
rm -rf "$runs/${prefix}pretrain" "$runs/${prefix}train"
step="pre-training"
$python -m gcsa.train --name "${prefix}pretrain" --conf "${conf}_pretrain.yaml"
step="training"
$python -m gcsa.train --name "${prefix}train" --conf "${conf}_train.yaml"
best=$runs/${prefix}train/checkpoint_best.pth.tar
step="evaluation"
$python -m gcsa.evaluate --conf "${conf}_train.yaml" --json "$outputs/${prefix}none.json" >/dev/null
for method in "$rule" posterior; do
    $python -m gcsa.evaluate --conf "${conf}_train.yaml" --method "$method" \
        --json "$outputs/$prefix$method.json" >/dev/null
done
$python -m gcsa.evaluate --conf "${conf}_train.yaml" --checkpoint "$best" \
    --json "$outputs/${prefix}gcsa.json" >/dev/null
if [ "$part" = streets ]; then
    step="the challenge file"
    $python -m gcsa.msls.test --conf "${conf}_train.yaml" --checkpoint "$best" \
        --output "$outputs/challenge.csv" >/dev/null
    made="challenge file    $outputs/challenge.csv, to submit: $outputs/challenge.zip"
else
    step="localisation"
    $python -m gcsa.lamar.localize --conf "${conf}_train.yaml" --checkpoint "$best" \
        --method mean --output "$outputs/localize" --json "$outputs/lamar_poses.json"
    made="poses, hloc files $outputs/lamar_poses.json, $outputs/localize"
fi
step="the summary"
$python scripts/summary.py "$outputs" --prefix "$prefix" --seconds $(($(date +%s) - started))
echo "
re-ranking model  $best
$made
figures           $outputs/${prefix}summary.json
images            $here/datasets"
