"""BSDS500 val: covering, Rand index, variation of information, boundary F.

    uhseg-evaluate --config=configs/bsds500.py --data_dir=PREPARED \
        --manual_dir=ORIGINAL_FILES --output=scores/bsds500

Human regions: covering 0.73, PRI 0.86, VoI 1.17 bits between annotators (measured on 50
images of train and val). docs/numbers/measured.md has our scores on the 100 images of
val.
"""

import dataclasses

from ml_collections import ConfigDict

from uhseg_jax.methods import region_merging


def get_config() -> ConfigDict:
    parameters = dataclasses.asdict(region_merging.default())
    return ConfigDict(
        {
            "dataset": "bsds500",
            "split": "val",
            "model": "dinov2_vits14_focus",
            "method": "region_merging",
            "parameters": parameters,
        }
    )
