"""PascalVOC2012 segmentation val, our `two_way` parameters, patch grid and full size.

    uhseg-evaluate --config=configs/voc2012.py --data_dir=PREPARED \
        --manual_dir=FOLDER_OF_VOCDEVKIT --output=scores/voc2012

Published for all 1,449 images with DINOv2 ViT-B/14 with registers and the paper's
parameters, on the patch grid: mIoU 78.1, pAcc 82.6, mAcc 91.2, fIoU 78.1, NMCovering
75.4 (Rossetti & Pirri, NeurIPS 2024). Not measured by us, who have neither the whole
set nor these weights. docs/numbers/measured.md has what we measured on a part of 140
images with dinov2_vits14_focus.
"""

import dataclasses

from ml_collections import ConfigDict

from uhseg_jax.methods import recursive_spectral


def get_config() -> ConfigDict:
    return ConfigDict(
        {
            "dataset": "voc2012",
            "split": "val",
            "model": "dinov2_vits14_focus",
            "method": "recursive_spectral",
            "parameters": dataclasses.asdict(recursive_spectral.two_way()),
        }
    )
