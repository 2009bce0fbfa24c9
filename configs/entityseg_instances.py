"""EntitySeg val, things and stuff as proposals find them.

    uhseg-evaluate --config=configs/entityseg_instances.py --manual_dir=DIR \
        --output=scores/entityseg_instances

DIR has entityseg_val.json, or
annotations/entity_segmentation/entityv2_010203_entity_val.json, and
images/entity_01_11580 and so on. The split val_lr has the smaller images. UnSAM's
release reads an entityseg_val.json: that images have their original size there is our
reading.

Published, AR@1000 without classes, in percent: training-free Diffuse2Seg 23.8, UnSAM's
pseudo-masks with CRF 22.1, MoSA's with CRF 30.1; trained CutLER 23.1, SOHES 33.5, UnSAM
41.0, SAM ViT-B 45.9 (supervised). All have other features than ours.
Not measured by us, who do not have the images.
"""

import dataclasses

from ml_collections import ConfigDict

from uhseg_jax.methods import region_merging


def get_config() -> ConfigDict:
    parameters = dataclasses.asdict(region_merging.default())
    return ConfigDict(
        {
            "dataset": "entityseg",
            "split": "val",
            "protocol": "instances",
            "model": "dinov2_vits14_focus",
            "method": "region_merging",
            "parameters": parameters,
        }
    )
