"""Lightweight multilevel clustering (Cheung, Chen, Yang and Zhao, 2023).

"A Lightweight Clustering Framework for Unsupervised Semantic Segmentation",
arXiv 2311.18628. Training-free, and over a collection of images: patch features are
clustered into few groups at the level of the dataset, of categories of images and of
the single image; at each level some groups are foreground. The foreground of an image
becomes regions, and regions are given a category by their class tokens.

The abstract states the three levels, their consistency and the labelling by class
tokens; every number and rule marked "ours" is a choice of this package. `passes` goes
over the images; `foreground`, `cluster_levels`, `upper_levels`, `regions` and
`categories` are its steps.
"""

import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from uhseg_jax.methods.fitted import Collection, Fitted
from uhseg_jax.methods.method import Method
from uhseg_jax.methods.multilevel_clustering.config import Config, default
from uhseg_jax.methods.multilevel_clustering.passes import PASSES, Discovery, fit

__all__ = ["METHOD", "Config", "Discovery", "default", "fit"]


class MultilevelClustering(Method):
    """Learns its categories from all images together."""

    name = "multilevel_clustering"
    summary = "objects of a whole collection as categories (Cheung et al., 2023)"
    config: type = Config
    presets: Mapping[str, Callable[[], Any]] = {"default": default}
    refiner = "upsample"  # measured: the CRF loses foreground here
    passes = PASSES
    finer = (
        "a larger num_categories (more categories), a smaller min_area (smaller "
        "regions), or regions=tree with a larger tree_regions."
    )

    def config_for_features(self, config: Any) -> Any:
        """Always raises ValueError: a backbone sees regions of images too."""
        self.check_features(config)

    def check_features(self, features: Any) -> None:
        """Always raises ValueError: features of one image are not enough."""
        del features
        raise ValueError(
            "method 'multilevel_clustering' reads images, not features: it takes "
            "regions of them through the backbone; call uhseg_jax.segment, or run "
            "uhseg-segment --method=multilevel_clustering FOLDER without --features."
        )

    def segment(self, features: Any, config: Any, graph: Any = None) -> Any:
        """Features of one image are not enough; see `check_features`."""
        del config, graph
        self.check_features(features)

    def settings(self, config: Config, identities: Iterable[str]) -> dict[str, Any]:
        """The parameters, and all the images: categories depend on each of them."""
        settings = dataclasses.asdict(config)
        del settings["keep_features"]  # changes no result
        identities = list(identities)
        digest = hashlib.sha256(
            "\0".join(identities).encode(errors="surrogateescape")
        ).hexdigest()
        return {**settings, "images": f"{len(identities)} ({digest[:12]})"}

    def fit(self, segmenter: Any, collection: Collection) -> Fitted:
        """Finds the categories of a collection; see `passes.fit`."""
        return fit(segmenter, collection)


METHOD = MultilevelClustering()
"""The method as it is registered."""
