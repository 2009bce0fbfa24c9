"""ADE20K val, objects of 100 classes as proposals find them.

    uhseg-evaluate --config=configs/ade20k_instances.py --manual_dir=DIR \
        --output=scores/ade20k_instances

DIR has ADEChallengeData2016/ade20k_instance_val.json, which prepare_ade20k_ins_seg.py
of Mask2Former writes, and ADEChallengeData2016/images/validation. UnSAM's release reads
an ade_val.json of its own: that its objects are these is our reading.

Published, AR@1000 without classes, in percent: training-free Diffuse2Seg 22.5, UnSAM's
pseudo-masks with CRF 15.1, MoSA's with CRF 26.7; trained CutLER 26.3, SOHES 31.1, UnSAM
37.5, SAM ViT-B 45.8 (supervised). All have other features than ours.
Not measured by us, who do not have the images.
"""

import dataclasses

from ml_collections import ConfigDict

from uhseg_jax.methods import region_merging


def get_config() -> ConfigDict:
    parameters = dataclasses.asdict(region_merging.default())
    return ConfigDict(
        {
            "dataset": "ade20k_instances",
            "split": "val",
            "protocol": "instances",
            "model": "dinov2_vits14_focus",
            "method": "region_merging",
            "parameters": parameters,
        }
    )
