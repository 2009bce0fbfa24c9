"""Pascal-Context val as zero-shot segmenters are scored: 59 classes, background.

    uhseg-evaluate --config=configs/pascal_context_zero_shot.py --data_dir=PREPARED \
        --manual_dir=ORIGINAL_FILES --output=scores/pascal_context_zero_shot

The protocol of Couairon et al., "DiffCut", NeurIPS 2024, read from its release
(eval_diffcut.py): middle squares; in every image a Hungarian matching, by shared
pixels, of the segments with the 59 classes; all segments that no class present gets
become one, the background; a second matching with the background among the classes;
pixels summed over images, mean IoU over the 60 classes. What is none of the 59 is
background.
Our reading: the square is 512 x 512 as DiffSeg's (the release crops one pixel less,
sees 1024 x 1024 and scores at 128 x 128), and borders are refined before segments are
united (the release lets PAMR follow). The ground truth says which segments are
background, so no score of --background=class stands beside these.
Published by others, mIoU in percent: MaskCut 43.4, DiffSeg 48.8, DiffCut 56.5, the same
with PAMR 58.2, Falcon with PAMR 57.2. All are from the table of Falcon (ICLR 2026,
SSD-1B); the papers of MaskCut and DiffSeg do not have this set, and DiffCut's authors
report 56.5 as theirs, with PAMR as far as we know. That the table keeps to the protocol
of DiffCut's release is our reading: Falcon's code was not seen.
Not measured by us, who do not have this set; six regions are those of
voc2012_zero_shot.py, and images with more classes will want more.
"""

import dataclasses

from ml_collections import ConfigDict

from uhseg_jax.methods import region_merging


def get_config() -> ConfigDict:
    return ConfigDict(
        {
            "dataset": "pascal_context",
            "split": "val",
            "protocol": "hungarian",
            "crop": 512,
            "background": "rest",
            "num_regions": 6,
            "model": "dinov2_vits14_focus",
            "method": "region_merging",
            "parameters": dataclasses.asdict(region_merging.default()),
        }
    )
