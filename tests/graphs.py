"""Features and graphs with known structure, for the tests of the spectral room."""

import numpy as np


def clustered_features(
    seed: int, *, n: int = 90, d: int = 16, groups: int = 5, noise: float = 0.3
) -> np.ndarray:
    """Rows around random directions; float32 ``[n, d]``."""
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(groups, d))
    rows = centers[rng.integers(groups, size=n)] + noise * rng.normal(size=(n, d))
    return rows.astype(np.float32)


def acute_features(seed: int, *, n: int = 80, d: int = 12) -> np.ndarray:
    """Rows in a narrow cone, so that the largest cosine distance r is below 1."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n, d)) * 0.15
    rows[:, 0] += 1
    return rows.astype(np.float32)


def dense_weights(features: np.ndarray) -> np.ndarray:
    """The min-max scaled cosine affinity by its definition, float64 ``[n, n]``."""
    rows = features.astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    distances = np.maximum(1 - rows @ rows.T, 0)
    np.fill_diagonal(distances, 0)
    weights = 1 - (distances - distances.min()) / (distances.max() - distances.min())
    np.fill_diagonal(weights, 0)
    return weights


def normalized_laplacian(weights: np.ndarray) -> np.ndarray:
    """``D^-1/2 (D - W) D^-1/2`` in float64; zero rows where the degree is 0."""
    weights = weights.astype(np.float64)
    degrees = weights.sum(1)
    scale = np.where(degrees > 0, 1 / np.sqrt(np.where(degrees > 0, degrees, 1)), 0)
    return scale[:, None] * (np.diag(degrees) - weights) * scale[None, :]


def random_graph(seed: int, *, n: int, density: float = 1.0) -> np.ndarray:
    """Symmetric non-negative weights with zero diagonal; float32 ``[n, n]``."""
    rng = np.random.default_rng(seed)
    weights = rng.random((n, n)) * (rng.random((n, n)) < density)
    weights = np.triu(weights, 1)
    return (weights + weights.T).astype(np.float32)


def block_graph(
    sizes: list[int], *, inside: float = 1.0, across: float = 0.02
) -> np.ndarray:
    """Groups of vertices, alike inside and nearly cut off from each other."""
    labels = np.repeat(np.arange(len(sizes)), sizes)
    weights = np.where(labels[:, None] == labels[None, :], inside, across)
    np.fill_diagonal(weights, 0)
    return weights.astype(np.float32)
