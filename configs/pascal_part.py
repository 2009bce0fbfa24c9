"""Pascal-Part: objects and their parts, scored against the hierarchy.

    uhseg-evaluate --config=configs/pascal_part.py --data_dir=PREPARED \
        --manual_dir=ORIGINAL_FILES --output=scores/pascal_part

Published against the hierarchy: mIoU 25.8, pAcc 80.0, NMCovering(T -> T_gt) 39.5,
NHCovering 38.8 (Rossetti & Pirri, NeurIPS 2024). Not measured by us, who have neither
the whole set nor these weights. docs/numbers/measured.md has our scores on 18 images.
"""

import dataclasses

from ml_collections import ConfigDict

from uhseg_jax.methods import recursive_spectral


def get_config() -> ConfigDict:
    parameters = dataclasses.asdict(recursive_spectral.two_way())
    return ConfigDict(
        {
            "dataset": "pascal_part",
            "split": "trainval",
            "model": "dinov2_vits14_focus",
            "method": "recursive_spectral",
            "parameters": parameters,
        }
    )
