"""The definitions over explicit masks, in float64 and as slowly as they are written.

Nothing here shares a line with the package: masks instead of contingency tables,
ancestors by walking up the parents, splits opened one at a time from a list.
"""

import numpy as np
from hypothesis import strategies as st


def node_masks(tree, counted):
    """Boolean mask of every node, among the pixels that count."""
    labels, parents = np.asarray(tree.labels), np.asarray(tree.parents)
    masks = np.zeros((int(tree.num_nodes), *labels.shape), bool)
    for leaf in np.unique(labels):
        node = leaf
        while node != -1:
            masks[node] |= labels == leaf
            node = parents[node]
    return masks & counted


def iou(first, second):
    return (first & second).sum() / max((first | second).sum(), 1)


def best(masks, region, nodes):
    """Id and IoU of the best of the nodes; the lowest id of equals."""
    scores = [iou(masks[node], region) for node in nodes]
    at = max(range(len(nodes)), key=lambda k: (scores[k], -nodes[k]))
    return nodes[at], scores[at]


def all_candidates(tree):
    return list(range(1, int(tree.num_nodes))) or [0]


def first_nodes(tree, budget):
    """The nodes that enter within a budget, the open split of lowest cost first."""
    parents = np.asarray(tree.parents)[: int(tree.num_nodes)]
    children = {v: [int(c) for c in np.flatnonzero(parents == v)] for v in parents}
    entered, frontier = [], [0]
    while frontier:
        splits = [v for v in frontier if children.get(v)]
        if not splits:
            break
        # Costs in float32: ties must fall as they do in the tree.
        cost = {
            v: np.float32(
                np.sum([np.float32(tree.costs[c]) for c in children[v]], dtype="f4")
            )
            / np.float32(len(children[v]))
            for v in splits
        }
        lowest = min(splits, key=lambda v: (cost[v], v))
        if len(entered) + len(children[lowest]) > budget:
            break
        entered += children[lowest]
        frontier.remove(lowest)
        frontier += children[lowest]
    return entered or [0]


def flat_regions(classes):
    return {int(c): classes == c for c in np.unique(classes) if c >= 0}


def covering_by_best(tree, classes, nodes):
    """Mean over classes of the best IoU among some nodes, and who was best."""
    masks = node_masks(tree, classes >= 0)
    found = {c: best(masks, r, nodes) for c, r in flat_regions(classes).items()}
    return np.mean([score for _, score in found.values()]), found


def tallies(tree, classes, num_classes):
    """TP, FP and FN of the best nodes, by class."""
    masks = node_masks(tree, classes >= 0)
    tally = np.zeros((3, num_classes), np.int64)
    for c, region in flat_regions(classes).items():
        node = masks[best(masks, region, all_candidates(tree))[0]]
        tally[:, c] = [
            (node & region).sum(),
            (node & ~region).sum(),
            (~node & region).sum(),
        ]
    return tally


@st.composite
def class_maps(draw, shape, *, num_classes=5, dropped=True):
    """Class indices in blobs and noise; negative where a pixel does not count."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    lowest = -1 if dropped else 0
    coarse = rng.integers(lowest, num_classes, (3, 3))
    rows = np.arange(shape[0]) * 3 // max(shape[0], 1)
    columns = np.arange(shape[1]) * 3 // max(shape[1], 1)
    classes = coarse[np.ix_(rows, columns)]
    noise = rng.random(shape) < draw(st.sampled_from([0.0, 0.1, 1.0]))
    return np.where(noise, rng.integers(lowest, num_classes, shape), classes)
