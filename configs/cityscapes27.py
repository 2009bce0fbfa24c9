"""Cityscapes val as zero-shot segmenters are scored: 27 classes, labelIds 7 to 33.

    uhseg-evaluate --config=configs/cityscapes27.py --data_dir=PREPARED \
        --manual_dir=ORIGINAL_FILES --refine=upsample --output=scores/cityscapes27

One Hungarian matching for every image, on the middle squares at 512 x 512 pixels:
the protocol of Tian et al., "Diffuse, Attend, and Segment", CVPR 2024 (DiffSeg). All
other ids do not count; the crop leaves the left and right quarter of a street out.
Published by others: mIoU 21.2 (DiffSeg), 30.6 (DiffCut, NeurIPS 2024, with SSD-1B and
PAMR; its release crops one pixel less, sees 1024 x 1024 and scores at 128 x 128).
Falcon's table (ICLR 2026) has MaskCut 18.7, DiffSeg 16.8 and, with SSD-1B and PAMR,
Falcon 33.7.
Those without PAMR interpolate their segments, as --refine=upsample does; without it
borders are refined by PAMR and a CRF.
Not measured by us, who have neither the whole set nor these weights.
"""

import dataclasses

from ml_collections import ConfigDict

from uhseg_jax.methods import diffusion_walk


def get_config() -> ConfigDict:
    return ConfigDict(
        {
            "dataset": "cityscapes27",
            "split": "val",
            "protocol": "hungarian",
            "crop": 512,
            "model": "sd_v1_4",
            "method": "diffusion_walk",
            "parameters": dataclasses.asdict(diffusion_walk.automatic()),
        }
    )
