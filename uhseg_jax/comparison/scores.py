"""What the scores of evaluations are called, and which of them matter most."""

import re
from collections.abc import Iterable, Sequence

__all__ = ["HEADLINES", "SHOWN", "is_less_better", "is_size", "present", "title_of"]

_BUDGETS = (2, 4, 8, 16, 32, 64)
# What tables show of the scores that there are.
SHOWN = (
    *(f"full/nmcovering_at_{k}" for k in _BUDGETS),
    *("full/nmcovering", "full/miou", "full/tree_nmcovering", "full/nhcovering"),
    *("full/nfcovering", "full/hungarian_miou", "full/hungarian_pacc"),
    *("full/ar_1", "full/ar_10", "full/ar_100", "full/ar_1000"),
    *("full/ap", "full/ap_50", "full/ap_75"),
    *("full/covering_ods", "full/covering_ods_by_cost", "full/covering_ois"),
    *("full/covering_best", "full/pri_ods", "full/voi_ods"),
    *("full/boundary_ods", "full/boundary_ods_by_cost", "full/boundary_ois"),
    *("full/boundary_ap", "full/fop_ods", "full/fop_ods_by_cost", "full/fop_ois"),
)
# By which a reader is told first who is better: at equal numbers of regions where there
# are such scores, for oracles that choose among more regions score higher.
HEADLINES = (
    *("full/nmcovering_at_8", "full/nmcovering_at_32", "full/miou"),
    *("full/nhcovering", "full/hungarian_miou", "full/hungarian_pacc"),
    *("full/ar_10", "full/ar_100", "full/ar_1000", "full/ap"),
    *("full/covering_ods_by_cost", "full/boundary_ods_by_cost"),
    *("full/fop_ods_by_cost", "full/boundary_ois"),
)

_NAMES = {
    "ap": "AP",
    "ar": "AR",
    "covering": "covering",
    "boundary_f": "boundary F",
    "fop": "Fop",
    "hungarian_miou": "mIoU, Hungarian",
    "hungarian_pacc": "pAcc, Hungarian",
    "macc": "mAcc",
    "miou": "mIoU",
    "mean_leaves": "leaves",
    "mean_nodes": "nodes",
    "nfcovering": "NFCovering",
    "nhcovering": "NHCovering",
    "nmcovering": "NMCovering",
    "pacc": "pAcc",
    "tree_miou": "mIoU of the hierarchy",
    "tree_nmcovering": "NMCovering of the hierarchy",
    "tree_pacc": "pAcc of the hierarchy",
}
# Parts of names, in the order in which they are looked for.
_PARTS = (
    (re.compile(r"^ar_(\d+|all)"), r"AR@\1"),
    (re.compile(r"^ap_(\d+)$"), r"AP\1"),
    (re.compile(r"^objects_(\d+)$"), r"objects at IoU 0.\1"),
    (re.compile(r"_by_cost$"), ", one cost"),
    (re.compile(r"_(small|medium|large)\b"), r", \1 objects"),
    (re.compile(r"^boundary_ap"), "boundary AP"),
    (re.compile(r"^boundary_"), "boundary F "),
    (re.compile(r"^fop_"), "Fop "),
    (re.compile(r"^fop\b"), "Fop"),
    (re.compile(r"_(ods|ois)\b"), r" \1"),
    (re.compile(r"\b(ods|ois|pri)\b"), lambda x: x[0].upper()),
    (re.compile(r"\bvoi\b"), "VoI"),
)
_PLACES = {"": "", "full": "", "grid": " (patch grid)", "foreground": " (foreground)"}
_AT = re.compile(r"(.+)_at_(\d+)")


def title_of(key: str) -> str:
    """What a score is called where people read it.

    Args:
      key: of ``metrics.json``, or one without the number of its budget.
    """
    place, _, name = key.rpartition("/")
    budget = ""
    if match := _AT.fullmatch(name):
        name, budget = match[1], f"@{match[2]}"
    title = _NAMES.get(name)
    if title is None:
        title = name
        for pattern, words in _PARTS:
            title = pattern.sub(words, title)
        title = title.replace("_", " ")
    return f"{title}{budget}{_PLACES.get(place, f' ({place})')}"


def is_less_better(key: str) -> bool:
    """Whether less is better: of the variation of information."""
    return key.rpartition("/")[2].startswith("voi")


def is_size(key: str) -> bool:
    """Whether this counts something, and neither more nor less is better."""
    name = key.rpartition("/")[2]
    counts = ("images", "skipped", "categories", "leaves", "nodes", "objects")
    return name in counts or name.startswith("mean_")


def present(keys: Sequence[str], scores: Iterable[Iterable[str]]) -> list[str]:
    """Those of some keys that any of several evaluations has."""
    there = {key for one in scores for key in one}
    return [key for key in keys if key in there]
