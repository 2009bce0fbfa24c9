"""LVIS v1 val, objects of 1,203 classes as proposals find them.

    uhseg-evaluate --config=configs/lvis_instances.py --manual_dir=DIR \
        --output=scores/lvis_instances

DIR has lvis_v1_val.json (or in annotations/) and COCO's train2017/ and val2017/ (or in
images/). LVIS lists only some classes for every image; here nothing is made of that:
its average precision counts finds of others as wrong.

Published, AR@1000 without classes, in percent: training-free UnSAM's pseudo-masks with
CRF 16.5, MoSA's with CRF 29.3; trained CutLER 20.2, SOHES 29.1, UnSAM 40.5, SAM ViT-B
46.1 (supervised). AP, training-free: ProMerge 1.3, MaskCut 0.9. All have other features
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
            "dataset": "lvis",
            "split": "val",
            "protocol": "instances",
            "model": "dinov2_vits14_focus",
            "method": "region_merging",
            "parameters": parameters,
        }
    )
