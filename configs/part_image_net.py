"""PartImageNet val: objects and their parts.

    uhseg-evaluate --config=configs/part_image_net.py --data_dir=PREPARED \
        --manual_dir=ORIGINAL_FILES --output=scores/part_image_net

Published against the hierarchy: mIoU 55.4, pAcc 79.5, NMCovering(T -> T_gt) 65.8,
NHCovering 65.2 (Rossetti & Pirri, NeurIPS 2024).
Not measured by us, who have neither the whole set nor these weights.
"""

import dataclasses

from ml_collections import ConfigDict

from uhseg_jax.methods import recursive_spectral


def get_config() -> ConfigDict:
    parameters = dataclasses.asdict(recursive_spectral.two_way())
    return ConfigDict(
        {
            "dataset": "part_image_net",
            "split": "val",
            "model": "dinov2_vits14_focus",
            "method": "recursive_spectral",
            "parameters": parameters,
        }
    )
