"""KITTI-STEP val.

    uhseg-evaluate --config=configs/kitti_step.py --data_dir=PREPARED \
        --manual_dir=ORIGINAL_FILES --output=scores/kitti_step

Published for the whole set with DINOv2 ViT-B/14 with registers and the authors'
parameters, on the patch grid: mIoU 51.2, pAcc 79.8, mAcc 76.5, fIoU 65.7,
NMCovering(T -> S_gt) 48.4 (Rossetti & Pirri, NeurIPS 2024).
Published against the hierarchy: mIoU 58.3, pAcc 79.6, NMCovering(T -> T_gt) 54.2,
NHCovering 46.5 (the same paper).
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
            "dataset": "kitti_step",
            "split": "val",
            "model": "dinov2_vits14_focus",
            "method": "recursive_spectral",
            "parameters": parameters,
        }
    )
