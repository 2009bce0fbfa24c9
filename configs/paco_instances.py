"""PACO-LVIS val, objects and their parts as proposals find them.

    uhseg-evaluate --config=configs/paco_instances.py --manual_dir=DIR \
        --output=scores/paco_instances

DIR has paco_lvis_v1_val.json (or in annotations/) and COCO's train2017/ and val2017/
(or in images/). UnSAM's release reads a paco_val.json: that it is this one is our
reading.

Published, AR@1000 without classes, in percent: training-free Diffuse2Seg 13.6, UnSAM's
pseudo-masks with CRF 10.8, MoSA's with CRF 16.9; trained CutLER 8.9, SOHES 17.1, UnSAM
29.7, SAM ViT-B 18.1 (supervised). All have other features than ours.
Not measured by us, who do not have the images.
"""

import dataclasses

from ml_collections import ConfigDict

from uhseg_jax.methods import region_merging


def get_config() -> ConfigDict:
    parameters = dataclasses.asdict(region_merging.default())
    return ConfigDict(
        {
            "dataset": "paco",
            "split": "val",
            "protocol": "instances",
            "model": "dinov2_vits14_focus",
            "method": "region_merging",
            "parameters": parameters,
        }
    )
