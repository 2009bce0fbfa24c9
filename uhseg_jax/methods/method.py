"""What every method is, whether it segments images one by one or a whole collection.

A method is fitted to the images of a run, which costs nothing where it learns nothing
from them, and then segments each of them. So the commands, the runs and the protocols
know of no difference.
"""

import abc
import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from uhseg_jax.backbones import PatchRequest
from uhseg_jax.methods.fitted import Collection, Fitted, PreparedImage
from uhseg_jax.refinement.config import DEFAULT_REFINE
from uhseg_jax.types import Pixels

__all__ = [
    "ImageMethod",
    "Method",
]


class Method(abc.ABC):
    """A recipe from images to trees of regions.

    Attributes:
      name: what users call it.
      summary: what it does, in a few words for help texts.
      config: class of its frozen config, whose field ``request`` says what it wants of
        a backbone.
      presets: makers of named configs, "default" among them.
      refiner: how its regions follow the edges of the image where nothing is said.
      passes: names of the passes over a collection that come before it is segmented.
      finer: which parameters make trees finer, and which way, for help texts; empty
        where nothing is known.
    """

    name: str
    summary: str
    config: type
    presets: Mapping[str, Callable[[], Any]]
    refiner: str = DEFAULT_REFINE
    passes: tuple[str, ...] = ()
    finer: str = ""

    def preset(self, name: str = "default") -> Any:
        """The config of that name.

        Raises:
          ValueError: there is none; the message names those there are.
        """
        if name not in self.presets:
            raise ValueError(
                f"method {self.name!r} has no preset {name!r}; it has "
                f"{', '.join(self.presets)}."
            )
        return self.presets[name]()

    def resolve_config(self, config: Any) -> Any:
        """The config given, or the default for None.

        Raises:
          ValueError: the config belongs to another method.
        """
        if config is None:
            return self.preset()
        if not isinstance(config, self.config):
            raise ValueError(
                f"method {self.name!r} expects a config of type "
                f"{self.config.__module__}.{self.config.__qualname__}, but got "
                f"{type(config).__module__}.{type(config).__qualname__}; name the "
                "method that the config belongs to."
            )
        return config

    def describes(self, config: Any) -> bool:
        """Whether its features tell what is in a region, in any image.

        Attention does not: it tells of one image which patches go with which.
        """
        return isinstance(config.request, PatchRequest)

    def config_for_features(self, config: Any) -> Any:
        """A config for features that no backbone was asked for: those of one block.

        Raises:
          ValueError: the method needs a backbone.
        """
        request = config.request
        if isinstance(request, PatchRequest):
            request = dataclasses.replace(request, blocks=(-1,))
        return dataclasses.replace(config, request=request)

    @abc.abstractmethod
    def check_features(self, features: Any) -> None:
        """Refuses features ``[..., h, w, d]`` that the method cannot work on.

        Raises:
          ValueError: they are such; the message says what was expected.
        """

    def prepare(
        self, image: Pixels, grid: tuple[int, int], config: Any
    ) -> PreparedImage | None:
        """What the method wants of the pixels; None where features are enough.

        On the host, while the device has the backbone's forward.

        Args:
          image: RGB pixels.
          grid: patches (h, w) of the features.
          config: the method's frozen config.

        Raises:
          images.ImageError: the image cannot be segmented, and others may be.
          MemoryError: as well.
        """
        del image, grid, config
        return None

    @abc.abstractmethod
    def segment(self, features: Any, config: Any, graph: Any = None) -> Any:
        """The output for one image; pure.

        Args:
          features: ``[h, w, d]``.
          config: the method's frozen config.
          graph: that of `prepare`; None where there are features only.

        Returns:
          An object with a ``tree`` on the grid ``[h, w]`` and, where there is a graph,
          ``leaves``: int32 ``[n]``, the leaf of every superpixel. Leaves may then be
          without a patch.
        """

    @abc.abstractmethod
    def settings(self, config: Any, identities: Iterable[str]) -> dict[str, Any]:
        """What results depend on, JSON-ready, beyond the image itself.

        Args:
          config: the method's frozen config.
          identities: texts that tell the images of the run apart from others. They may
            be made by reading every image, so only a method that learns from all of
            them iterates.
        """

    @abc.abstractmethod
    def fit(self, segmenter: Any, collection: Collection) -> Fitted:
        """Learns from a collection what the method wants to know.

        Args:
          segmenter: a `Segmenter`.
          collection: the images.

        Raises:
          images.ImageError: not one image can be read.
          ValueError: the method needs all images, and there is only a share of them.
        """


@dataclasses.dataclass(frozen=True)
class ImageMethod(Method):
    """A method that segments images one by one; see `Method`.

    Attributes:
      segment_fn: ``(features [h, w, d], config)`` to an output with a ``tree``; pure.
        Of methods that prepare images, a third argument is the graph or None.
      check_fn: raises ValueError for features it cannot work on.
      prepare_fn: ``(image [H, W, 3], grid (h, w), config)`` to a `PreparedImage`, in
        numpy; None where features are enough.
      graph_fn: ``(vectors [n, d], SuperpixelGraph, config)`` to an output whose
        ``tree`` has the leaf of every vertex, pure; None of methods that need the
        patches of one image.
      condense_fn: ``(RegionGraph, config)`` to int32 ``[n]``, in numpy: regions of the
        vertices of a large graph, few enough for ``graph_fn``; None where it takes
        every vertex.
    """

    name: str
    summary: str
    config: type
    presets: Mapping[str, Callable[[], Any]]
    segment_fn: Callable[..., Any]
    check_fn: Callable[[Any], None]
    refiner: str = DEFAULT_REFINE
    prepare_fn: Callable[[Any, tuple[int, int], Any], PreparedImage] | None = None
    finer: str = Method.finer
    graph_fn: Callable[..., Any] | None = None
    condense_fn: Callable[..., Any] | None = None

    def check_features(self, features: Any) -> None:
        """Refuses features that ``check_fn`` refuses."""
        self.check_fn(features)

    def prepare(
        self, image: Pixels, grid: tuple[int, int], config: Any
    ) -> PreparedImage | None:
        """What ``prepare_fn`` finds."""
        return self.prepare_fn and self.prepare_fn(image, grid, config)

    def segment(self, features: Any, config: Any, graph: Any = None) -> Any:
        """What ``segment_fn`` finds."""
        if graph is None:
            return self.segment_fn(features, config)
        return self.segment_fn(features, config, graph)

    def settings(self, config: Any, identities: Iterable[str]) -> dict[str, Any]:
        """The parameters."""
        del identities
        return dataclasses.asdict(config)

    def fit(self, segmenter: Any, collection: Collection) -> Fitted:
        """Nothing is learned: the segmenter takes every image by itself."""
        del collection
        fitted: Fitted = segmenter
        return fitted
