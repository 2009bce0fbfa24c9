"""Mapillary Vistas v1.2 val.

    uhseg-evaluate --config=configs/mapillary.py --data_dir=PREPARED \
        --manual_dir=ORIGINAL_FILES --output=scores/mapillary

Published for the whole set with DINOv2 ViT-B/14 with registers and the authors'
parameters, on the patch grid: mIoU 47.6, pAcc 78.9, mAcc 72.1, fIoU 66.1,
NMCovering(T -> S_gt) 42.7 (Rossetti & Pirri, NeurIPS 2024).
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
            "dataset": "mapillary",
            "split": "val",
            "model": "dinov2_vits14_focus",
            "method": "recursive_spectral",
            "parameters": parameters,
        }
    )
