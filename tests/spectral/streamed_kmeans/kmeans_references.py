"""k-means by its definition in float64, and rows to cluster."""

import numpy as np


def grouped_rows(seed: int, *, n: int, d: int, k: int, noise: float) -> np.ndarray:
    """Rows around k separated directions, mixed; float32 ``[n, d]``, k at most d."""
    rng = np.random.default_rng(seed)
    centers = 2 * np.linalg.qr(rng.normal(size=(d, d)))[0][:k]
    rows = centers[rng.integers(k, size=n)] + noise * rng.normal(size=(n, d))
    return rows.astype(np.float32)


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows over their length, float64; zero rows stay."""
    rows = rows.astype(np.float64)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(norms > 0, norms, 1)


def distances(rows: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Squared, ``[n, k]``."""
    return ((rows[:, None] - centroids[None]) ** 2).sum(-1)


def lloyd(
    rows: np.ndarray, start: np.ndarray, *, passes: int, cosine: bool
) -> tuple[np.ndarray, np.ndarray, list[float]]:
    """Centroids and labels after so many passes, and the inertia of each."""
    rows = unit(rows) if cosine else rows.astype(np.float64)
    centroids = unit(start) if cosine else start.astype(np.float64)
    inertia = []
    for _ in range(passes):
        squared = distances(rows, centroids)
        labels = squared.argmin(1)
        inertia.append(squared.min(1).sum())
        for j in np.unique(labels):
            mean = rows[labels == j].mean(0)
            centroids[j] = mean / np.linalg.norm(mean) if cosine else mean
    return centroids, labels, inertia


def mini_batches(
    rows: np.ndarray, start: np.ndarray, *, size: int, passes: int, cosine: bool
) -> np.ndarray:
    """Algorithm 1 of Sculley (2010), row by row; the counts go on over the passes."""
    rows = unit(rows) if cosine else rows.astype(np.float64)
    centroids = unit(start) if cosine else start.astype(np.float64)
    means, counts = centroids.copy(), np.zeros(len(start))
    for _ in range(passes):
        for begin in range(0, len(rows), size):
            batch = rows[begin : begin + size]
            labels = distances(batch, centroids).argmin(1)
            for row, label in zip(batch, labels, strict=True):
                counts[label] += 1
                rate = 1 / counts[label]
                means[label] = (1 - rate) * means[label] + rate * row
            centroids = unit(means) if cosine else means.copy()
    return centroids
