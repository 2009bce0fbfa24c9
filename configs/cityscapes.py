"""Cityscapes val, 19 classes in 7 groups.

    uhseg-evaluate --config=configs/cityscapes.py --data_dir=PREPARED \
        --manual_dir=ORIGINAL_FILES --output=scores/cityscapes

Published for the whole set with DINOv2 ViT-B/14 with registers and the authors'
parameters, on the patch grid: mIoU 48.8, pAcc 82.8, mAcc 76.1, fIoU 68.8,
NMCovering(T -> S_gt) 44.8 (Rossetti & Pirri, NeurIPS 2024).
Published against the hierarchy: mIoU 53.7, pAcc 78.8, NMCovering(T -> T_gt) 51.1,
NHCovering 43.8 (the same paper).
Not measured by us, who have neither the whole set nor these weights.
"""

import dataclasses

from ml_collections import ConfigDict

from uhseg_jax.methods import recursive_spectral


def get_config() -> ConfigDict:
    parameters = dataclasses.asdict(recursive_spectral.two_way())
    parameters["request"]["grid"] = (60, 120)  # street scenes
    return ConfigDict(
        {
            "dataset": "cityscapes",
            "split": "val",
            "model": "dinov2_vits14_focus",
            "method": "recursive_spectral",
            "parameters": parameters,
        }
    )
