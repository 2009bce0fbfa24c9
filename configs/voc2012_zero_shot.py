"""PascalVOC2012 val as zero-shot segmenters are scored: 20 classes, background.

    uhseg-evaluate --config=configs/voc2012_zero_shot.py --data_dir=PREPARED \
        --manual_dir=ORIGINAL_FILES --output=scores/voc2012_zero_shot

The protocol of Couairon et al., "DiffCut", NeurIPS 2024, read from its release
(eval_diffcut.py): middle squares; in every image a Hungarian matching, by shared
pixels, of the segments with the 20 classes of objects; all segments that no class
present gets become one, the background; a second matching with the background among the
classes; pixels summed over images, mean IoU over the 21 classes. Void (255) is
background there, and so it is here (voc2012_objects).
Our reading: the square is 512 x 512 as DiffSeg's (the release crops one pixel less,
sees 1024 x 1024 and scores at 128 x 128), and borders are refined before segments are
united (the release lets PAMR follow). The ground truth says which segments are
background, so no score of --background=class stands beside these.
Published by others, mIoU in percent: MaskCut 53.8, DiffSeg 49.8, DiffCut 65.2, the same
with PAMR 71.7, Falcon with PAMR 78.4. All are from the table of Falcon (ICLR 2026,
SSD-1B); the papers of MaskCut and DiffSeg do not have this set, and DiffCut's authors
report 65.2 as theirs, with PAMR as far as we know. That the table keeps to the protocol
of DiffCut's release is our reading: Falcon's code was not seen.
Six regions are the best number, from 2 to 32, on 80 images of VOC2012 train.
docs/numbers/measured.md has our score on a part of val.
"""

import dataclasses

from ml_collections import ConfigDict

from uhseg_jax.methods import region_merging


def get_config() -> ConfigDict:
    return ConfigDict(
        {
            "dataset": "voc2012_objects",
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
