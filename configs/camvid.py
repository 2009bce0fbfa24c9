"""CamVid val, 11 classes.

    uhseg-evaluate --config=configs/camvid.py --data_dir=PREPARED \
        --manual_dir=ORIGINAL_FILES --output=scores/camvid

No published figure of this method. docs/numbers/measured.md has our scores on 21 images
of val.
"""

import dataclasses

from ml_collections import ConfigDict

from uhseg_jax.methods import recursive_spectral


def get_config() -> ConfigDict:
    parameters = dataclasses.asdict(recursive_spectral.two_way())
    return ConfigDict(
        {
            "dataset": "camvid",
            "split": "val",
            "model": "dinov2_vits14_focus",
            "method": "recursive_spectral",
            "parameters": parameters,
        }
    )
