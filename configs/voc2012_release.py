"""PascalVOC2012 segmentation val with the parameters of the authors' public code.

    uhseg-evaluate --config=configs/voc2012_release.py --data_dir=PREPARED \
        --manual_dir=FOLDER_OF_VOCDEVKIT --output=scores/voc2012_release

The published row (see configs/voc2012.py) was made with these parameters and DINOv2
ViT-B/14 with registers: --config.model=dinov2_vitb14_reg repeats it, with the official
weights. Not measured by us with those; docs/numbers/measured.md has a part of 140
images with dinov2_vits14_focus.
"""

import dataclasses

from ml_collections import ConfigDict

from uhseg_jax.methods import recursive_spectral


def get_config() -> ConfigDict:
    return ConfigDict(
        {
            "dataset": "voc2012",
            "split": "val",
            "model": "dinov2_vits14_focus",
            "method": "recursive_spectral",
            "parameters": dataclasses.asdict(recursive_spectral.release()),
        }
    )
