"""Region merging from its definition: float64, plain loops, one set at a time."""

import numpy as np
import scipy.linalg
from merge_references import Problem, slow_merges

from uhseg_jax.hierarchy.merges import APART, GROUPS


def reference(features, graph, config):
    """The splits of the tree in the order in which they open.

    Returns:
      Of every split the two sets of superpixels, the cost, and the stage of the merge
      that it undoes.
    """
    members = np.flatnonzero(graph.areas)
    pooled = graph.weights.astype(float) @ features.reshape(-1, features.shape[-1])
    blocks = np.split(pooled, len(config.request.blocks), axis=1)
    vectors = unit_rows(np.concatenate([unit_rows(x) for x in blocks], axis=1))
    objects, opened = divided(vectors, graph, config)
    groups = np.zeros(len(graph.areas), int)
    for group, superpixels in enumerate(objects):
        groups[superpixels] = group

    # Two objects merge the later, the sooner the cut between them is made.
    levels = np.zeros((len(objects), len(objects)))
    for rank, (one, other, _) in enumerate(opened):
        for a, b in ((one, other), (other, one)):
            levels[np.ix_(groups_in(groups, a), groups_in(groups, b))] = -rank
    merges = slow_merges(problem(vectors, graph, config, groups, levels + len(opened)))

    sets = {i: frozenset([i]) for i in range(len(graph.areas))}
    splits = {}  # by the union: its parts and its cost
    cut_costs = {one | other: cost for one, other, cost in opened}
    for i, ((a, b), height, stage) in enumerate(merges):
        union = sets[len(graph.areas) + i] = sets[a] | sets[b]
        cost = np.exp(
            -(height + config.apart_height * (stage == APART)) / config.height_scale
        )
        cost = cut_costs[union] if stage == GROUPS else cost
        splits[union] = sets[a], sets[b], cost, stage

    order, leaves = [], [frozenset(members.tolist())]
    while len(leaves) < config.max_regions and any(x in splits for x in leaves):
        lowest = min((x for x in leaves if x in splits), key=lambda x: splits[x][2])
        leaves.remove(lowest)
        leaves += splits[lowest][:2]
        order.append(splits[lowest])
    return order


def unit_rows(rows):
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(norms > 0, norms, 1)


def groups_in(groups, superpixels):
    return np.unique(groups[list(superpixels)])


def problem(vectors, graph, config, groups, levels):
    """What to merge: features and colours side by side, weighted."""
    colors = np.sqrt(config.color_weight) * graph.colors
    return Problem(
        vectors=np.concatenate([vectors, colors], axis=1),
        areas=graph.areas,
        edges=graph.edges,
        lengths=graph.lengths,
        evidence=graph.evidence,
        edge_weight=config.edge_weight,
        exponent=config.area_exponent,
        groups=groups,
        group_levels=levels,
    )


def divided(vectors, graph, config):
    """The objects as lists of superpixels, and the cuts, that of lowest cost first."""
    members = np.flatnonzero(graph.areas)
    one_group = np.zeros(len(graph.areas), int), np.zeros((1, 1))
    merges = slow_merges(problem(vectors, graph, config, *one_group))
    regions = {i: [i] for i in members}
    for i in range(max(len(merges) - (config.num_condensed - 1), 0)):
        a, b = merges[i][0]
        regions[len(graph.areas) + i] = regions.pop(a) + regions.pop(b)
    regions = list(regions.values())

    cosines = (vectors @ vectors.T)[np.ix_(members, members)]
    stretched = np.zeros((len(graph.areas), len(graph.areas)))
    stretched[np.ix_(members, members)] = cosines - cosines.min()
    stretched /= stretched.max()
    areas = graph.areas.astype(float)
    fine = np.outer(areas, areas) * stretched**config.contrast
    weights = np.array([[fine[np.ix_(a, b)].sum() for b in regions] for a in regions])
    np.fill_diagonal(weights, 0)

    def superpixels_of(indices):
        return frozenset(x for i in indices for x in regions[i])

    cuts, leaves = [], [np.arange(len(regions))]
    candidates = {0: best_cut(weights, leaves[0])}
    while candidates:
        lowest = min(candidates, key=lambda i: candidates[i][2])
        one, other, cost = candidates.pop(lowest)
        if cost < config.max_ncut:
            cuts.append((superpixels_of(one), superpixels_of(other), cost))
            leaves[lowest] = one
            leaves.append(other)
            candidates[lowest] = best_cut(weights, one)
            candidates[len(leaves) - 1] = best_cut(weights, other)
    return [sorted(superpixels_of(x)) for x in leaves], cuts


def best_cut(weights, indices):
    """The two sides of the best threshold and their mean normalised cut."""
    if len(indices) < 2:
        return indices, indices, np.inf
    inside = weights[np.ix_(indices, indices)]
    degrees = inside.sum(1)
    _, vectors = scipy.linalg.eigh(np.diag(degrees) - inside, np.diag(degrees))
    best = indices, indices, np.inf
    for threshold in vectors[:, 1]:
        above = vectors[:, 1] > threshold
        if above.any():
            cut = inside[above][:, ~above].sum()
            cost = (cut / degrees[above].sum() + cut / degrees[~above].sum()) / 2
            if cost < best[2]:
                best = indices[above], indices[~above], cost
    return best
