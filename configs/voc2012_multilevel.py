"""PascalVOC2012 val, 21 clusters found without labels against its 21 classes.

    uhseg-evaluate --config=configs/voc2012_multilevel.py --data_dir=PREPARED \
        --manual_dir=FOLDER_OF_VOCDEVKIT --output=scores/voc2012_multilevel

Lightweight multilevel clustering (Cheung et al., arXiv 2311.18628) with our parameters:
one Hungarian matching for the whole set on IoU, 255 dropped, original resolution, mean
and spread of five seeds. The paper's numbers were not found; others published for all
1,449 images by the same protocol: MaskDistill 48.9, Leopart 41.7, Deep Spectral 37.2.
Not measured by us on the whole set. docs/methods/multilevel_clustering.md has what we
measured on a part of 140 images with dinov2_vits14_focus.
"""

import dataclasses

from ml_collections import ConfigDict

from uhseg_jax.methods import multilevel_clustering


def get_config() -> ConfigDict:
    parameters = dataclasses.asdict(multilevel_clustering.default())
    return ConfigDict(
        {
            "dataset": "voc2012",
            "split": "val",
            "model": "dinov2_vits14_focus",
            "method": "multilevel_clustering",
            "parameters": parameters,
            "protocol": "collection",
            "num_seeds": 5,
        }
    )
