"""One graph, pure functions: affinity, eigenvectors, k-means, normalised cuts."""
