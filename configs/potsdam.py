"""ISPRS Potsdam, tiles of 600 x 600.

    uhseg-evaluate --config=configs/potsdam.py --data_dir=PREPARED \
        --manual_dir=ORIGINAL_FILES --output=scores/potsdam

Published for the whole set with DINOv2 ViT-B/14 with registers and the authors'
parameters, on the patch grid: mIoU 58.9, pAcc 83.4, mAcc 83.2, fIoU 65.0,
NMCovering(T -> S_gt) 56.3 (Rossetti & Pirri, NeurIPS 2024).
Not measured by us, who have neither the whole set nor these weights.
"""

import dataclasses

from ml_collections import ConfigDict

from uhseg_jax.methods import recursive_spectral


def get_config() -> ConfigDict:
    parameters = dataclasses.asdict(recursive_spectral.two_way())
    return ConfigDict(
        {
            "dataset": "potsdam",
            "split": "tiles",
            "model": "dinov2_vits14_focus",
            "method": "recursive_spectral",
            "parameters": parameters,
        }
    )
