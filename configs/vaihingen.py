"""ISPRS Vaihingen, tiles of 600 x 600.

    uhseg-evaluate --config=configs/vaihingen.py --data_dir=PREPARED \
        --manual_dir=ORIGINAL_FILES --output=scores/vaihingen

No published figure of this method is known to us, and we do not have the whole set.
"""

import dataclasses

from ml_collections import ConfigDict

from uhseg_jax.methods import recursive_spectral


def get_config() -> ConfigDict:
    parameters = dataclasses.asdict(recursive_spectral.two_way())
    return ConfigDict(
        {
            "dataset": "vaihingen",
            "split": "tiles",
            "model": "dinov2_vits14_focus",
            "method": "recursive_spectral",
            "parameters": parameters,
        }
    )
