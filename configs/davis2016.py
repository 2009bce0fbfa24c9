"""DAVIS-2016 val: the moving object of every clip, J and F.

    uhseg-evaluate --config=configs/davis2016.py --manual_dir=DAVIS \
        --output=scores/davis2016

DAVIS has JPEGImages/480p, Annotations/480p and ImageSets (without a list: all clips
that are there). --config.flow=True measures flicker and chooses by motion as well; it
needs the extra flow. --config.tracking=greedy scores frames one by one, linked
greedily.

Published, J in percent on all 20 clips, chosen without a look at the truth: TokenCut
with RAFT's flow 64.3, with bilateral post-processing 75.1, with CRF 76.7 (Wang et al.,
TPAMI 2023).
docs/numbers/video.md has our scores on six of the clips.
"""

import dataclasses

from ml_collections import ConfigDict

from uhseg_jax.methods import region_merging


def get_config() -> ConfigDict:
    parameters = dataclasses.asdict(region_merging.default())
    return ConfigDict(
        {
            "dataset": "davis2016",
            "split": "val",
            "protocol": "video",
            "model": "dinov2_vits14_focus",
            "method": "region_merging",
            "parameters": parameters,
        }
    )
