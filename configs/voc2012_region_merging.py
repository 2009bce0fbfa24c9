"""PascalVOC2012 val with region merging, our own method.

    uhseg-evaluate --config=configs/voc2012_region_merging.py --data_dir=PREPARED \
        --manual_dir=ORIGINAL_FILES --output=scores/voc2012_region_merging

Nothing is published for it; docs/numbers/measured.md has our scores on a part of val.
"""

import dataclasses

from ml_collections import ConfigDict

from uhseg_jax.methods import region_merging


def get_config() -> ConfigDict:
    parameters = dataclasses.asdict(region_merging.default())
    return ConfigDict(
        {
            "dataset": "voc2012",
            "split": "val",
            "model": "dinov2_vits14_focus",
            "method": "region_merging",
            "parameters": parameters,
        }
    )
