"""SA-1B, the masks of SAM as proposals find them.

    uhseg-evaluate --config=configs/sa1b_instances.py --manual_dir=DIR \
        --output=scores/sa1b_instances

DIR has sa_NUMBER.jpg and sa_NUMBER.json side by side (or in images/), such as an
unpacked sa_000000.tar; --names=FILE takes some. The publications take some too; UnSAM's
release reads a sa1b_val.json that it does not have.

Published, AR@1000 without classes, in percent: training-free Diffuse2Seg 20.7, UnSAM's
pseudo-masks with CRF 15.3, MoSA's with CRF 37.8; trained CutLER 17.0, SOHES 33.3, UnSAM
44.5, SAM ViT-B 60.8 (supervised). AP, training-free: ProMerge 1.2, MaskCut 0.8. All
have other features than ours.
Not measured by us, who do not have the images.
"""

import dataclasses

from ml_collections import ConfigDict

from uhseg_jax.methods import region_merging


def get_config() -> ConfigDict:
    parameters = dataclasses.asdict(region_merging.default())
    return ConfigDict(
        {
            "dataset": "sa1b",
            "split": "all",
            "protocol": "instances",
            "model": "dinov2_vits14_focus",
            "method": "region_merging",
            "parameters": parameters,
        }
    )
