"""PascalVOC2012 segmentation val by attention of a Vision Transformer as a walk.

    uhseg-evaluate --config=configs/voc2012_walk.py --data_dir=PREPARED \
        --manual_dir=FOLDER_OF_VOCDEVKIT --output=scores/voc2012_walk

Nothing is published of this method with these weights. docs/numbers/measured.md has
what we measured on a part of 140 images, and on 160 of the training set
(--config.split=train) how the rules for the bound compare (--config.protocol=hungarian
--refine=none --config.parameters.threshold_rule=stability
--config.parameters.max_ncut=0.495).
"""

import dataclasses

from ml_collections import ConfigDict

from uhseg_jax.methods import diffusion_walk


def get_config() -> ConfigDict:
    return ConfigDict(
        {
            "dataset": "voc2012",
            "split": "val",
            "model": "dinov2_vits14_focus",
            "method": "diffusion_walk",
            "parameters": dataclasses.asdict(diffusion_walk.fixed()),
        }
    )
