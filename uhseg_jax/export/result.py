"""A result: an image and what was found in it, and what a run shows of that."""

import dataclasses
import functools
import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np

from uhseg_jax.export.panels import require_same_size
from uhseg_jax.hierarchy import tree_file
from uhseg_jax.hierarchy.region_choice import RegionChoice, choose, pruned, united
from uhseg_jax.hierarchy.regions import Regions
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.types import Bool, Float, Int, UInt8

__all__ = ["ExportOptions", "Provenance", "Result", "Selected", "category_names"]


@dataclasses.dataclass(frozen=True)
class Provenance:
    """What a result was made of: another image, or other settings, give another.

    Attributes:
      settings: SHA-256 of the settings of the run, in hexadecimal.
      source: SHA-256 of the image's file as it was read, or of its pixels.
      features: SHA-256 of the file of its features; empty where a backbone gave them.
    """

    settings: str
    source: str
    features: str = ""

    def short(self) -> str:
        """All in 16 characters."""
        text = " ".join(filter(None, (self.settings, self.source, self.features)))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclasses.dataclass(frozen=True)
class Selected:
    """A region that somebody selected.

    Attributes:
      name: what they called it; may be empty.
      nodes: of the whole tree, whose union it is; at least one.
    """

    name: str
    nodes: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Result:
    """An image and what was found in it, in numpy arrays.

    Attributes:
      name: path of its files below the output folder, with ``/`` and no suffix.
      title: what people know the image as, usually its path.
      image: its pixels, RGB; None where no format needs them (`pixels`).
      tree: its regions, with labels at the size of the image.
      categories: ``[n]``, category of every node of the tree, 0 for the background and
        for nodes that are no region; None where there are no categories.
      distances: ``[n]``, of every node to the centroid of its category; None if they
        are not known.
      provenance: what it was made of; None outside runs.
      names: ``[n]``, what every node of the tree is called, as an index into the names
        of the run; -1 where it has no name. None where nothing was named.
      descriptors: float32 ``[num_nodes, d]``, of the nodes; None where they are
        not wanted, or not known.
      place: path of the image's file from the output folder, with ``/``; empty if it
        has none.
      selected: its regions where somebody selected some, in place of a choice.
      valid: ``[H, W]``, where the image has data; None: everywhere.

    Raises:
      ValueError: the labels have another size than the image.
    """

    name: str
    title: str
    image: UInt8[np.ndarray, "H W 3"] | None
    tree: RegionTree
    categories: Int[np.ndarray, " n"] | None = None
    distances: Float[np.ndarray, " n"] | None = None
    provenance: Provenance | None = None
    names: Int[np.ndarray, " n"] | None = None
    descriptors: Float[np.ndarray, "num_nodes d"] | None = None
    place: str = ""
    selected: tuple[Selected, ...] | None = None
    valid: Bool[np.ndarray, "H W"] | None = None

    def __post_init__(self) -> None:
        if self.image is not None:
            require_same_size(self.image, self.tree, self.title)

    @property
    def pixels(self) -> UInt8[np.ndarray, "H W 3"]:
        """The image.

        Raises:
          ValueError: it was not read.
        """
        if self.image is None:
            raise ValueError(
                f"{self.title}: expected the pixels of the image, but it was not read."
            )
        return self.image

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the image."""
        height, width = self.tree.labels.shape
        return height, width

    @functools.cached_property
    def tree_id(self) -> str:
        """What tells the tree from others: 16 hexadecimal digits."""
        parents = np.asarray(self.tree.parents)[: int(self.tree.num_nodes)]
        return tree_file.identity(np.asarray(self.tree.labels), parents)

    def note(self, how: str) -> str:
        """How a file of this result is made, and of what, for its mark."""
        return how + (f" of {self.provenance.short()}" if self.provenance else "")

    def regions(self, options: "ExportOptions") -> Regions:
        """Those that a run shows, or those selected; found once.

        Raises:
          ValueError: disjoint ones are wanted, and some of those selected overlap.
        """
        if self.selected is None:
            found = self._once(choose, options.choice)
            if options.named and self.names is not None:
                found = found.only(self.names[found.nodes] >= 0)
            return found
        return self._once(self._united, RegionChoice(flat=options.choice.flat))

    def _united(self, tree: RegionTree, choice: RegionChoice) -> Regions:
        """Those selected."""
        selected = self.selected or ()
        found = united(tree, [x.nodes for x in selected])
        shared = found.contains[:, found.contains.sum(0) > 1]
        if choice.flat and shared.size:
            overlapping = [selected[i] for i in np.flatnonzero(shared.any(1))]
            names = [x.name or f"of node {x.nodes[0]}" for x in overlapping]
            raise ValueError(
                f"{self.title}: expected disjoint regions, but of those selected "
                f"{', '.join(names[:4])} overlap; select others, leave out --flat, or "
                "choose a format of nested regions, such as masks or coco."
            )
        return found

    def region_classes(self, options: "ExportOptions") -> Int[np.ndarray, " k"]:
        """The class of every one of `regions`, from 1 (`ExportOptions.class_names`).

        It is 0 for what is no region, where there are categories.
        """
        if self.selected is None:
            return self.class_ids(options)[self.regions(options).nodes]
        names = options.names or ()
        numbers = {name: number for number, name in enumerate(names, start=1)}
        nameless = len(names) + 1
        classes = [numbers.get(x.name, nameless) for x in self.selected]
        return np.array(classes, np.int32)

    def pruned(
        self, options: "ExportOptions"
    ) -> tuple[RegionTree, Int[np.ndarray, " n"]]:
        """The tree that a run shows, and its nodes in the whole one; found once."""
        cut = RegionChoice(**options.choice.criterion)
        return self._once(pruned, cut)

    def _once(self, function: Callable[..., Any], choice: RegionChoice) -> Any:
        found = self._found
        if (function, choice) not in found:
            found[function, choice] = function(self.tree, choice)
        return found[function, choice]

    @functools.cached_property
    def _found(self) -> dict[Any, Any]:
        return {}

    def class_ids(self, options: "ExportOptions") -> Int[np.ndarray, " n"]:
        """The class of every node, from 1 (`ExportOptions.class_names`).

        It is 0 for nodes that are no region, where there are categories.
        """
        if options.names is not None and self.names is not None:
            nameless = len(options.names) + 1
            return np.where(self.names < 0, nameless, self.names + 1).astype(np.int32)
        if self.categories is not None:
            return np.asarray(self.categories, np.int32)
        return np.ones(int(self.tree.num_nodes), np.int32)

    def category_map(self) -> Int[np.ndarray, "H W"]:
        """The category of every pixel, 0 where there is none."""
        labels = np.asarray(self.tree.labels)
        if self.categories is None:
            return np.zeros_like(labels)
        return np.asarray(self.categories, np.int32)[labels]


@dataclasses.dataclass(frozen=True)
class ExportOptions:
    """What the formats of one run have in common.

    Attributes:
      levels: numbers of regions that an overlay shows a tree at.
      num_categories: how many categories the run found; None: it found trees, and
        results have no categories.
      choice: the regions that formats of regions hold.
      named: every region has a name; those of a choice that have none are left out.
      flat: whether these are disjoint; None: as each format expects (`resolved`).
      names: what regions may be called; None where nothing was named.
      tolerance: how far, in pixels, polygons may be from the sides of pixels; None: as
        each format has it where nothing is said.
    """

    levels: tuple[int, ...] = (4, 8, 16)
    num_categories: int | None = None
    choice: RegionChoice = dataclasses.field(
        default_factory=lambda: RegionChoice(root=True)
    )
    names: tuple[str, ...] | None = None
    named: bool = False
    flat: bool | None = None
    tolerance: float | None = None

    @property
    def maps_categories(self) -> bool:
        """Whether label maps show categories: if no regions or names are asked for."""
        choice = dataclasses.replace(self.choice, flat=False, root=False)
        asked = self.names is not None or choice != RegionChoice()
        return self.num_categories is not None and not asked

    def resolved(self, *, flat: bool) -> "ExportOptions":
        """Those of a format that expects such regions, with that in their choice."""
        flat = flat if self.flat is None else self.flat
        choice = dataclasses.replace(self.choice, flat=flat)
        return dataclasses.replace(self, choice=choice)

    def note(self, how: str) -> str:
        """How a file of the tree above the cut is made, for its mark."""
        cut = (f"{name} {value}" for name, value in self.choice.criterion.items())
        return " at ".join([how, *cut])

    def region_note(self, how: str) -> str:
        """How a file of the regions that are shown is made, for its mark."""
        values = (
            (x, getattr(self.choice, x.name)) for x in dataclasses.fields(RegionChoice)
        )
        changed = (
            x.name if value is True else f"{x.name} {value}"
            for x, value in values
            if value != x.default
        )
        return ", ".join([how, *changed])

    def class_names(self) -> tuple[str, ...]:
        """What `Result.class_ids` count, from 1.

        Regions without a name are of the last class, "region", where there may be some.
        """
        if self.names is not None:
            return self.names if self.named else (*self.names, "region")
        if self.num_categories is not None:
            return tuple(category_names(self.num_categories))
        return ("region",)


def category_names(count: int) -> list[str]:
    """What the categories are called: "category 01", "category 02", ..."""
    digits = max(2, len(str(count)))
    return [f"category {number:0{digits}d}" for number in range(1, count + 1)]
