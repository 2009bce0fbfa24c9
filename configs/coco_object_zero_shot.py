"""COCO-Object val as zero-shot segmenters are scored: 80 classes, background.

    uhseg-evaluate --config=configs/coco_object_zero_shot.py --data_dir=PREPARED \
        --manual_dir=ORIGINAL_FILES \
        --names=Coco164kFull_Stuff_Coarse_7.txt --output=scores/coco_object_zero_shot

The protocol of Couairon et al., "DiffCut", NeurIPS 2024, read from its release
(eval_diffcut.py): middle squares; in every image a Hungarian matching, by shared
pixels, of the segments with the 80 classes of things; all segments that no class
present gets become one, the background; a second matching with the background among the
classes; pixels summed over images, mean IoU over the 81 classes. The ground truth is
that of COCO-Stuff on PiCIE's 2,175 images (datasets/coco_stuff/README.md says where the
list is), with stuff and unlabelled pixels as background.
Our reading: the square is 512 x 512 as DiffSeg's (the release crops one pixel less,
sees 1024 x 1024 and scores at 128 x 128), and borders are refined before segments are
united (the release lets PAMR follow). The ground truth says which segments are
background, so no score of --background=class stands beside these.
Published by others, mIoU in percent: MaskCut 30.1, DiffSeg 23.2, DiffCut 34.1, the same
with PAMR 61.7, Falcon with PAMR 61.8. All are from the table of Falcon (ICLR 2026,
SSD-1B); the papers of MaskCut and DiffSeg do not have this set, and DiffCut's authors
report 34.1 as theirs, with PAMR as far as we know. That the table keeps to the protocol
of DiffCut's release is our reading: Falcon's code was not seen. PAMR adds 7 at the most
on the five other sets and 28 here, so the figures with it were hardly scored as the
others.
Not measured by us, who do not have this set; six regions are those of
voc2012_zero_shot.py.
"""

import dataclasses

from ml_collections import ConfigDict

from uhseg_jax.methods import region_merging


def get_config() -> ConfigDict:
    return ConfigDict(
        {
            "dataset": "coco_object",
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
