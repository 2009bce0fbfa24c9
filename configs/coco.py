"""MSCOCO val2017 things, stuff as background.

    uhseg-evaluate --config=configs/coco.py --data_dir=PREPARED \
        --manual_dir=ORIGINAL_FILES --output=scores/coco

Published for the whole set with DINOv2 ViT-B/14 with registers and the authors'
parameters, on the patch grid: mIoU 55.7, pAcc 93.1, mAcc 85.0, fIoU 78.8,
NMCovering(T -> S_gt) 49.6 (Rossetti & Pirri, NeurIPS 2024).
Not measured by us, who have neither the whole set nor these weights.
"""

import dataclasses

from ml_collections import ConfigDict

from uhseg_jax.methods import recursive_spectral


def get_config() -> ConfigDict:
    parameters = dataclasses.asdict(recursive_spectral.two_way())
    return ConfigDict(
        {
            "dataset": "coco",
            "split": "val",
            "model": "dinov2_vits14_focus",
            "method": "recursive_spectral",
            "parameters": parameters,
        }
    )
