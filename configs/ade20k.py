"""ADE20K scene parsing, 150 classes.

    uhseg-evaluate --config=configs/ade20k.py --data_dir=PREPARED \
        --manual_dir=ORIGINAL_FILES --output=scores/ade20k

No published figure of this method is known to us, and we do not have the whole set.
"""

import dataclasses

from ml_collections import ConfigDict

from uhseg_jax.methods import recursive_spectral


def get_config() -> ConfigDict:
    parameters = dataclasses.asdict(recursive_spectral.two_way())
    return ConfigDict(
        {
            "dataset": "ade20k",
            "split": "val",
            "model": "dinov2_vits14_focus",
            "method": "recursive_spectral",
            "parameters": parameters,
        }
    )
