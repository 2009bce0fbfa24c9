"""DAVIS-2017 val without prompts: all objects of every clip, J&F of 20 tubes at most.

    uhseg-evaluate --config=configs/davis2017_unsupervised.py --manual_dir=DAVIS \
        --output=scores/davis2017_unsupervised

DAVIS has JPEGImages/480p, Annotations_unsupervised/480p and ImageSets/2017 (without a
list: all clips that are there).

Published, J&F in percent on all 30 clips, trained on pseudo-masks of images without
labels: VideoCutLER 24.4, VideoUnSAM 34.8 (as the latter reports both).
Not measured by us, who do not have these masks.
"""

import dataclasses

from ml_collections import ConfigDict

from uhseg_jax.methods import region_merging


def get_config() -> ConfigDict:
    parameters = dataclasses.asdict(region_merging.default())
    return ConfigDict(
        {
            "dataset": "davis2017_unsupervised",
            "split": "val",
            "protocol": "video",
            "task": "objects",
            "model": "dinov2_vits14_focus",
            "method": "region_merging",
            "parameters": parameters,
        }
    )
