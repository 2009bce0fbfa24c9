"""The published split rules in float64 numpy and scikit-learn, step by step."""

import numpy as np
from graphs import normalized_laplacian
from sklearn.cluster import KMeans


def release(weights, *, max_ncut=0.8, max_perturbation=50.0):
    """Labels by the release's rule, or None for a leaf."""
    if len(weights) <= 3:
        return None
    values, vectors = smallest_eigenpairs(weights)
    gaps = np.diff(values)
    k = int(np.argmax(gaps[1:])) + 2
    embedding = vectors[:, :k]
    if k > 2:
        embedding = unit_rows(embedding)
        labels = clusters(embedding, k)
        change = np.linalg.norm(perturbation(weights, labels))
        if change / gaps[k - 1] > max_perturbation:
            return None
    else:
        labels = best_of_twelve(weights, embedding[:, 1])
    while labels is None or mean_ncut(weights, labels) >= max_ncut:
        k -= 1
        if k < 2:
            return None
        few = k == 2
        labels = (
            best_of_twelve(weights, embedding[:, 1]) if few else clusters(embedding, k)
        )
    return labels


def paper(weights, *, max_eigenvalue=0.8, max_perturbation=20.0):
    """Labels by the paper's rule, or None for a leaf."""
    labels, stability, _ = paper_stability(weights, max_eigenvalue=max_eigenvalue)
    return None if stability > max_perturbation else labels


def paper_stability(weights, *, max_eigenvalue=0.8):
    """The labels, the p_max above which they are accepted, and the two norms."""
    n = len(weights)
    if n <= 3:
        return None, np.inf, ()
    pairs = ~np.eye(n, dtype=bool)
    low, high = weights[pairs].min(), weights[pairs].max()
    scaled = np.where(pairs, (weights - low) / (high - low), 0)
    values, vectors = smallest_eigenpairs(scaled)
    gaps = {
        i: values[i] - values[i - 1]
        for i in range(2, len(values))
        if values[i - 1] < max_eigenvalue
    }
    if not gaps:
        return None, np.inf, ()
    k = max(gaps, key=gaps.get)
    labels = clusters(unit_rows(vectors[:, 1:k]), k)
    change = perturbation(scaled, labels)
    norms = np.sqrt(k) * np.linalg.norm(change, 2), np.linalg.norm(change)
    return labels, 2 * min(norms) / gaps[k] / k, norms


def smallest_eigenpairs(weights):
    """The first min(10, n - 1), with the signs that ours have."""
    values, vectors = np.linalg.eigh(normalized_laplacian(weights))
    count = min(10, len(weights) - 1)
    signs = np.where((vectors**3).sum(0) < 0, -1, 1)
    return values[:count], (vectors * signs)[:, :count]


def best_of_twelve(weights, vector):
    evenly = np.linspace(vector.min(), vector.max(), 10, endpoint=False)
    rivals = [(vector > t).astype(int) for t in [*evenly, 0, vector.mean()]]
    rivals = [labels for labels in rivals if 0 < labels.sum() < len(labels)]
    return min(rivals, key=lambda labels: mean_ncut(weights, labels), default=None)


def clusters(rows, k):
    return KMeans(k, n_init=10, random_state=0).fit(rows).labels_


def mean_ncut(weights, labels):
    costs = []
    for group in np.unique(labels):
        inside = labels == group
        cut = weights[np.ix_(inside, ~inside)].sum()
        costs.append(cut / weights[inside].sum())
    return np.mean(costs)


def perturbation(weights, labels):
    ideal = (labels[:, None] == labels[None, :]) & ~np.eye(len(labels), dtype=bool)
    return normalized_laplacian(weights) - normalized_laplacian(ideal.astype(float))


def unit_rows(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
