"""COCO val2017, objects of 80 classes as proposals find them.

    uhseg-evaluate --config=configs/coco_instances.py --manual_dir=DIR \
        --output=scores/coco_instances

DIR has annotations/instances_val2017.json and val2017/ (or images/val2017).

Published, AR@1000 without classes, in percent: training-free UnSAM's pseudo-masks with
CRF 21.9, MoSA's with CRF 33.8; trained CutLER 28.1, SOHES 30.5, UnSAM 42.0, SAM ViT-B
49.6 (supervised). AP, training-free: ProMerge 2.4, MaskCut 2.2. All have other features
than ours.
Not measured by us, who do not have the images.
"""

import dataclasses

from ml_collections import ConfigDict

from uhseg_jax.methods import region_merging


def get_config() -> ConfigDict:
    parameters = dataclasses.asdict(region_merging.default())
    return ConfigDict(
        {
            "dataset": "coco_instances",
            "split": "val",
            "protocol": "instances",
            "model": "dinov2_vits14_focus",
            "method": "region_merging",
            "parameters": parameters,
        }
    )
