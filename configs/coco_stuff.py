"""COCO-Stuff val2017, 27 super-classes above the classes.

    uhseg-evaluate --config=configs/coco_stuff.py --data_dir=PREPARED \
        --manual_dir=ORIGINAL_FILES --output=scores/coco_stuff

Published for the whole set with DINOv2 ViT-B/14 with registers and the authors'
parameters, on the patch grid: mIoU 58.7, pAcc 81.1, mAcc 80.3, fIoU 67.3,
NMCovering(T -> S_gt) 42.1 (Rossetti & Pirri, NeurIPS 2024).
Published against the hierarchy: mIoU 59.5, pAcc 75.1, NMCovering(T -> T_gt) 53.5,
NHCovering 42.9 (the same paper). The authors' code scores the stuff classes with things
as background, which is the dataset "coco_stuff_only" here; this one has all 171
classes.
Not measured by us, who have neither the whole set nor these weights.
"""

import dataclasses

from ml_collections import ConfigDict

from uhseg_jax.methods import recursive_spectral


def get_config() -> ConfigDict:
    parameters = dataclasses.asdict(recursive_spectral.two_way())
    return ConfigDict(
        {
            "dataset": "coco_stuff",
            "split": "val",
            "model": "dinov2_vits14_focus",
            "method": "recursive_spectral",
            "parameters": parameters,
        }
    )
