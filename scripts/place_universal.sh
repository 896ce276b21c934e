#!/usr/bin/env bash
# Train the network of places that ships: after both quick starts, two more miniworlds, descriptors
# of another network, and configs/place_universal.yaml, by two processes. Half an hour on two cores.
set -euo pipefail
cd "$(dirname "$0")/.."
python=.venv/bin/python
export OMP_WAIT_POLICY=passive

for seed in 1 2; do
    $python -m gcsa.miniworld --out "outputs/seed$seed" --size small --seed "$seed"
done
$python -m gcsa.extract --conf configs/miniworld_train.yaml data.outputs=outputs/lite0 \
    data.desc_fn=lite0.h5 'data.train_scenes=[trondheim,helsinki,boston,zurich]' \
    'data.val_scenes=[manila]' 'data.test_scenes=[amsterdam]'
$python -m torch.distributed.run --nproc_per_node=2 --master_port=0 --rdzv_backend=c10d \
    --rdzv_endpoint=127.0.0.1:0 -m gcsa.train --name place_universal \
    --conf configs/place_universal.yaml
$python scripts/release_checkpoints.py --only place_universal
