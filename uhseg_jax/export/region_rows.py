"""What formats say of regions: their classes, places in the tree and boxes."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from uhseg_jax.export.result import ExportOptions, Result
from uhseg_jax.hierarchy.cuts import NO_PARENT
from uhseg_jax.hierarchy.regions import NO_NODE, Regions
from uhseg_jax.types import Bool, Int

__all__ = ["RegionRow", "outer_first", "rows_of"]


@dataclasses.dataclass(frozen=True)
class RegionRow:
    """A region of a result.

    Attributes:
      index: its place among the regions that a run shows (`Result.regions`).
      parent: that of the smallest region around that has a row; None if none has.
      class_id: from 1 (`ExportOptions.class_names`).
      name: what somebody called it, or else its class.
      node: of the whole tree; None for a union of several.
      depth: of the node; None for a union.
      cost: of the node, the shortest decimal of its float32; None for a union.
      area: in pixels.
      box: x, y, width and height, in pixels.
    """

    index: int
    parent: int | None
    class_id: int
    name: str
    node: int | None
    depth: int | None
    cost: float | None
    area: int
    box: tuple[int, int, int, int]

    @property
    def window(self) -> tuple[slice, slice]:
        """The rows and columns of the image that its box covers."""
        x, y, width, height = self.box
        return slice(y, y + height), slice(x, x + width)

    def mask_in_box(self, regions: Regions) -> Bool[np.ndarray, "h w"]:
        """Its pixels within its box, among the regions that it is one of."""
        held = np.append(regions.contains[self.index], False)  # the void is last
        return held[regions.pieces[self.window]]


def rows_of(result: Result, options: ExportOptions) -> list[RegionRow]:
    """The regions that a run shows of a result, but those of no class.

    Raises:
      ValueError: a class is none of the run's.
    """
    regions = result.regions(options)
    classes = _checked_classes(result, options)
    names, written = options.class_names(), classes > 0
    areas, boxes = regions.areas().tolist(), regions.boxes().tolist()
    depths = np.asarray(result.tree.depths)
    costs = np.asarray(result.tree.costs, np.float32)
    rows = []
    for index in np.flatnonzero(written).tolist():
        parent = int(regions.parents[index])
        while parent != NO_PARENT and not written[parent]:
            parent = int(regions.parents[parent])
        node = int(regions.nodes[index])
        called = result.selected[index].name if result.selected else ""
        row = RegionRow(
            index=index,
            parent=None if parent == NO_PARENT else parent,
            class_id=int(classes[index]),
            name=called or names[classes[index] - 1],
            node=None if node == NO_NODE else node,
            depth=None if node == NO_NODE else int(depths[node]),
            # Through text: the shortest decimal that is this float32.
            cost=None if node == NO_NODE else float(str(costs[node])),
            area=areas[index],
            box=tuple(boxes[index]),
        )
        rows.append(row)
    return rows


def outer_first(rows: Sequence[RegionRow]) -> list[RegionRow]:
    """Rows in their order, but none before that of a region around it."""
    known = {row.index: row for row in rows}
    ordered: dict[int, RegionRow] = {}
    for row in rows:
        around = []
        above: int | None = row.index
        while above is not None and above not in ordered:
            around.append(above)
            above = known[above].parent
        ordered |= {x: known[x] for x in reversed(around)}
    return [*ordered.values()]


def _checked_classes(result: Result, options: ExportOptions) -> Int[np.ndarray, " k"]:
    classes = result.region_classes(options)
    highest = len(options.class_names())
    least, most = int(classes.min(initial=0)), int(classes.max(initial=0))
    if least < 0 or most > highest:
        raise ValueError(
            f"{result.title}: expected categories from 0 to {highest}, but got {least} "
            f"to {most}."
        )
    return classes
