"""The parameters of multilevel clustering."""

import dataclasses
from typing import Annotated

from uhseg_jax.backbones import ClassTokenRequest, PatchRequest
from uhseg_jax.validators import POSITIVE, SEED, SHARE, Validated, integer, one_of

__all__ = ["Config", "default"]


@dataclasses.dataclass(frozen=True)
class Config(Validated):
    """Every parameter of the method; the numbers are ours where nothing is said.

    Attributes:
      request: what is read of every image: features of patches (the paper studies
        facets and blocks), the class token's attention, which tells foreground from
        background, and the class token, which stands for the image or the region.
      consistency: how the three levels are kept consistent (both readings ours).
        "chain": the clusters of a level are foreground by the mask of the level above.
        "vote": every level decides by itself, and two of three decide on a patch.
      dataset_clusters: K of the dataset level.
      num_groups: categories of images at the category level, 20 for VOC.
      category_clusters: K within each of them.
      image_clusters: K within an image.
      majority: share of a cluster that must lie in the mask of the level above.
      max_foreground: share of an image above which a mask counts as failed, as an
        empty one does; then the level above decides.
      temperature: of the soft score; a cosine by which a patch is nearer to foreground
        multiplies its odds by e.
      sample_size: patches that the upper two levels are learned from, at the most;
        every image gives as many.
      kmeans_restarts: seedings of every clustering but those of single images.
      kmeans_iterations: Lloyd steps of each at the most.
      min_area: share of an image below which a region is dropped.
      regions: "components" (connected components of the foreground) or "tree" (the
        regions of a tree of `recursive_spectral` that lie in the foreground).
      tree_request: features that the tree is made from.
      tree_regions: regions at which it is cut.
      crop_grid: patches along a side to which the box of a region is resized for its
        class token.
      whitened: principal components of the class tokens that are whitened, at most a
        quarter of the number of regions; 0: none, and nothing is whitened.
      num_categories: clusters of regions, 20 for VOC and 80 for COCO.
      keep_features: save the features of the first pass for the second and for later
        runs (2.8 MB an image by default) rather than compute them again. Changes
        no result.
      seed: of the random keys; the same seed gives the same categories.

    Raises:
      ValueError: a field is out of its range; the message names it.
    """

    request: ClassTokenRequest = ClassTokenRequest()
    consistency: Annotated[str, one_of("chain", "vote")] = "chain"
    dataset_clusters: Annotated[int, integer(1)] = 3
    num_groups: Annotated[int, integer(1)] = 20
    category_clusters: Annotated[int, integer(1)] = 3
    image_clusters: Annotated[int, integer(1)] = 5
    majority: Annotated[float, SHARE] = 0.5
    max_foreground: Annotated[float, SHARE] = 0.95
    temperature: Annotated[float, POSITIVE] = 0.1
    sample_size: Annotated[int, integer(1)] = 200_000
    kmeans_restarts: Annotated[int, integer(1)] = 3
    kmeans_iterations: Annotated[int, integer(1)] = 100
    min_area: Annotated[float, SHARE] = 0.01
    regions: Annotated[str, one_of("components", "tree")] = "components"
    tree_request: PatchRequest = PatchRequest(blocks=(-4, -1))
    tree_regions: Annotated[int, integer(1)] = 8
    crop_grid: Annotated[int, integer(1)] = 16
    whitened: Annotated[int, integer(0)] = 16
    num_categories: Annotated[int, integer(1)] = 20
    keep_features: Annotated[bool, one_of(True, False)] = True
    seed: Annotated[int, SEED] = 0


def default() -> Config:
    """Our parameters."""
    return Config()
