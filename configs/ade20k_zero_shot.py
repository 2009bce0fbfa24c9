"""ADE20K scene parsing val as zero-shot segmenters are scored: 150 classes.

    uhseg-evaluate --config=configs/ade20k_zero_shot.py --data_dir=PREPARED \
        --manual_dir=ORIGINAL_FILES --refine=upsample --output=scores/ade20k_zero_shot

One Hungarian matching for every image, on the middle squares at 512 x 512 pixels:
the protocol of Tian et al., "Diffuse, Attend, and Segment", CVPR 2024 (DiffSeg).
Its release has no ADE20K: that the images are cropped as elsewhere is our reading.
Label 0 does not count.
Published by others: mIoU 37.7 (DiffSeg), 44.3 (DiffCut, NeurIPS 2024, with SSD-1B and
PAMR; its release crops one pixel less, sees 1024 x 1024 and scores at 128 x 128).
Falcon's table (ICLR 2026) has MaskCut 35.7, DiffSeg 37.7 and, with SSD-1B and PAMR,
Falcon 45.2.
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
            "dataset": "ade20k",
            "split": "val",
            "protocol": "hungarian",
            "crop": 512,
            "model": "sd_v1_4",
            "method": "diffusion_walk",
            "parameters": dataclasses.asdict(diffusion_walk.automatic()),
        }
    )
