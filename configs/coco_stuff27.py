"""COCO-Stuff val2017 as zero-shot segmenters are scored: 27 super-classes.

    uhseg-evaluate --config=configs/coco_stuff27.py --data_dir=PREPARED \
        --manual_dir=ORIGINAL_FILES \
        --names=Coco164kFull_Stuff_Coarse_7.txt --refine=upsample \
        --output=scores/coco_stuff27

One Hungarian matching for every image, on the middle squares at 512 x 512 pixels:
the protocol of Tian et al., "Diffuse, Attend, and Segment", CVPR 2024 (DiffSeg). The
list is PiCIE's, of 2,175 images, and is not part of this project
(datasets/coco_stuff/README.md says where it is); without --names all 5,000 are scored,
which compares with nothing published.
Published by others: mIoU 43.6 (DiffSeg), 49.1 (DiffCut, NeurIPS 2024, with SSD-1B and
PAMR; its release crops one pixel less, sees 1024 x 1024 and scores at 128 x 128).
Falcon's table (ICLR 2026) has MaskCut 41.7, DiffSeg 44.2 and, with SSD-1B and PAMR,
Falcon 50.4.
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
            "dataset": "coco_stuff27",
            "split": "val",
            "protocol": "hungarian",
            "crop": 512,
            "model": "sd_v1_4",
            "method": "diffusion_walk",
            "parameters": dataclasses.asdict(diffusion_walk.automatic()),
        }
    )
