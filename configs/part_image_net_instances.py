"""PartImageNet val, parts of objects as proposals find them.

    uhseg-evaluate --config=configs/part_image_net_instances.py --manual_dir=DIR \
        --output=scores/part_image_net_instances

DIR has val.json and val/SYNSET/*.JPEG of PartImageNet_OOD. UnSAM's release reads a
partimagenet_val.json of its own: that it has the parts of this val is our reading.

Published, AR@1000 without classes, in percent: training-free UnSAM's pseudo-masks with
CRF 23.2, MoSA's with CRF 36.1; trained CutLER 28.7, SOHES 36.0, UnSAM 52.7, SAM ViT-B
28.3 (supervised). All have other features than ours.
Not measured by us, who do not have the images.
"""

import dataclasses

from ml_collections import ConfigDict

from uhseg_jax.methods import region_merging


def get_config() -> ConfigDict:
    parameters = dataclasses.asdict(region_merging.default())
    return ConfigDict(
        {
            "dataset": "part_image_net_instances",
            "split": "val",
            "protocol": "instances",
            "model": "dinov2_vits14_focus",
            "method": "region_merging",
            "parameters": parameters,
        }
    )
