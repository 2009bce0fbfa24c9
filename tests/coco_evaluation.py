"""pycocotools' own evaluation, without classes, by the names of our scores."""

import contextlib
import io
import warnings

import numpy as np


def run_length(mask):
    from pycocotools import mask as coco_mask

    return coco_mask.encode(np.asfortranarray(mask, np.uint8))


def coco_scores(images, *, areas, budgets):
    """The scores of `COCOeval`.

    Args:
      images: ``(image_id, proposals, objects)`` of each, `Proposals` and `Objects`.
      areas: the ranges of areas by name, as `metrics.objects.AREAS` has them.
      budgets: numbers of proposals.
    """
    evaluation = _evaluated(images, list(map(list, areas.values())), list(budgets))
    precision, recall = (evaluation.eval[x] for x in ("precision", "recall"))
    # -1 where there is no object; [t, r, 1, areas, budgets] and [t, 1, areas, budgets].
    precision = np.where(precision < 0, np.nan, precision)[:, :, 0, 0]
    recalls = np.where(recall < 0, np.nan, recall)[:, 0].mean(axis=0)
    of = {k: i for i, k in enumerate(budgets)}
    found = {f"ar_{k}": recalls[0, of[k]] for k in (1, 10, 100, 1000)}
    found |= {f"ar_at_{k}": recalls[0, of[k]] for k in budgets if k < 100}
    found |= {
        f"ar_1000_{name}": recalls[i, of[1000]]
        for i, name in enumerate(areas)
        if name != "all"
    }
    return found | {
        "ap": precision[..., of[100]].mean(),
        "ap_50": precision[0, :, of[100]].mean(),
        "ap_75": precision[5, :, of[100]].mean(),
    }


def _evaluated(images, areas, budgets):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth = {"images": [], "annotations": [], "categories": [{"id": 1}], "info": {}}
    results = []
    for image_id, proposals, objects in images:
        height, width = proposals.pieces.shape
        truth["images"].append({"id": image_id, "height": height, "width": width})
        common = {"image_id": image_id, "category_id": 1}
        for mask, area, crowd in zip(
            objects.masks, objects.areas, objects.crowd, strict=True
        ):
            one = {"segmentation": mask, "area": float(area), "iscrowd": int(crowd)}
            truth["annotations"].append(
                common | one | {"id": len(truth["annotations"]) + 1}
            )
        for mask, score in zip(proposals.masks(), proposals.scores, strict=True):
            results.append(
                common | {"segmentation": run_length(mask), "score": float(score)}
            )
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        # pycocotools 2.0 decodes through an array protocol that numpy 2 deprecates.
        warnings.simplefilter("ignore", DeprecationWarning)
        dataset = COCO()
        dataset.dataset = truth
        dataset.createIndex()
        evaluation = COCOeval(dataset, dataset.loadRes(results), "segm")
        evaluation.params.useCats = 0
        evaluation.params.maxDets = budgets
        evaluation.params.areaRng = areas
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation
