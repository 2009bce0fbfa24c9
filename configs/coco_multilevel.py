"""MSCOCO val2017, 81 clusters found without labels against things and background.

    uhseg-evaluate --config=configs/coco_multilevel.py --data_dir=PREPARED \
        --manual_dir=ORIGINAL_FILES --output=scores/coco_multilevel

Lightweight multilevel clustering (Cheung et al., arXiv 2311.18628) with our parameters:
one Hungarian matching for the whole set on IoU, original resolution, mean and spread of
five seeds. Published numbers by this protocol were not found.
Not measured by us, who do not have the whole set.
"""

import dataclasses

from ml_collections import ConfigDict

from uhseg_jax.methods import multilevel_clustering


def get_config() -> ConfigDict:
    parameters = dataclasses.asdict(multilevel_clustering.default())
    parameters |= {"num_groups": 80, "num_categories": 80}
    return ConfigDict(
        {
            "dataset": "coco",
            "split": "val",
            "model": "dinov2_vits14_focus",
            "method": "multilevel_clustering",
            "parameters": parameters,
            "protocol": "collection",
            "num_seeds": 5,
        }
    )
