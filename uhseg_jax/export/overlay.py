"""The image beside several levels of its tree or its categories, as one image."""

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from uhseg_jax.export.colors import category_colors, node_colors
from uhseg_jax.export.panels import boundaries, fit, require_same_size
from uhseg_jax.export.png_files import png_format
from uhseg_jax.export.result import ExportOptions, Result
from uhseg_jax.hierarchy.placement import visible_nodes
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.types import Bool, Int, Integer, UInt8

__all__ = ["PNG", "overlay", "paint", "paint_categories", "panels"]

_LONGEST, _SHORTEST = 1024, 384  # pixels of a panel's long side
_NARROWEST = 104  # pixels that the longest caption needs
_GAP = 16
_CAPTION = 34
_FONT = 17
_ASPECT = 2.2  # width over height that the whole sheet should be near
_FILL = 0.6  # opacity of the colours
_CATEGORY_FILL = 0.55
_DIMMED = 0.45  # brightness that is left to the background of categories
_BLACK = 70  # grey that black becomes under them
_THIN_LINES_BELOW = 640
_WHITE = np.uint8(255)
_PAPER, _INK = 255, (60, 60, 64)


def overlay(
    image: UInt8[np.ndarray, "H W 3"],
    tree: RegionTree,
    *,
    levels: Sequence[int] = (4, 8, 16),
    truth: Integer[np.ndarray, "H W"] | None = None,
    title: str = "",
    valid: Bool[np.ndarray, "H W"] | None = None,
) -> UInt8[np.ndarray, "h w 3"]:
    """Draws the image and, beside it, its regions at several levels.

    A region has the same colour at every level that shows it whole, and its parts have
    colours near its own. Captions give the number of regions that are really there,
    which is below the one asked for when no cut has exactly that many.

    Args:
      image: uint8 ``[H, W, 3]``.
      tree: its tree, with labels at image size.
      levels: numbers of regions, one panel each, as `RegionTree.cut` takes them.
      truth: class of every pixel, drawn after the image if given; negative where
        nothing is known.
      title: a line above all panels; its beginning is left out where it is too long.
      valid: where the image has data; the rest is white. None: everywhere.

    Returns:
      uint8 ``[h, w, 3]``; each panel is at most 1024 pixels long.

    Raises:
      ValueError: the tree has labels of another size, or a level is below 1.
    """
    drawn = panels(image, tree, levels=levels, truth=truth, valid=valid)
    sheet = _sheet([x for _, x in drawn], [caption for caption, _ in drawn])
    if not title:
        return sheet
    return np.concatenate([_line(title, sheet.shape[1]), sheet])


def panels(
    image: UInt8[np.ndarray, "H W 3"],
    tree: RegionTree,
    *,
    levels: Sequence[int],
    truth: Integer[np.ndarray, "H W"] | None = None,
    longest: int = _LONGEST,
    shortest: int = _SHORTEST,
    valid: Bool[np.ndarray, "H W"] | None = None,
) -> list[tuple[str, UInt8[np.ndarray, "h w 3"]]]:
    """The panels of `overlay`, all of one size, each after its caption.

    Args:
      image: as for `overlay`, as are the next three.
      tree: its tree.
      levels: numbers of regions.
      truth: class of every pixel.
      longest: pixels that the long side of a panel has at the most.
      shortest: pixels below which small images are enlarged.
      valid: as for `overlay`.

    Raises:
      ValueError: as `overlay` does.
    """
    require_same_size(image, tree)
    colors = node_colors(tree)
    leaves = np.flatnonzero(np.bincount(np.asarray(tree.labels).ravel()))
    sizes = {"longest": longest, "shortest": shortest}
    shown, labels = fit(image, np.asarray(tree.labels), **sizes)
    drawn = [("Image", shown)]
    if truth is not None:
        painted = _paint_truth(*fit(image, np.asarray(truth, np.int32), **sizes))
        drawn.append(("Ground truth", painted))
    for level in levels:
        seen_as = np.asarray(visible_nodes(tree, num_regions=level))
        count = np.unique(seen_as[leaves]).size
        caption = "1 region" if count == 1 else f"{count} regions"
        drawn.append((caption, paint(shown, labels, seen_as, colors)))
    if valid is None:
        return drawn
    _, has_data = fit(image, valid.astype(np.int32), **sizes)
    return [(x, np.where(has_data[..., None], y, _WHITE)) for x, y in drawn]


def paint_categories(
    image: UInt8[np.ndarray, "H W 3"],
    categories: Integer[np.ndarray, "H W"],
    regions: Integer[np.ndarray, "H W"],
    *,
    count: int,
) -> UInt8[np.ndarray, "h w 3"]:
    """Draws the image and, beside it, its regions in the colours of their categories.

    Args:
      image: uint8 ``[H, W, 3]``.
      categories: category of every pixel, 0 for the background, which is dimmed.
      regions: region of every pixel; lines are drawn between them.
      count: how many categories the run has.
    """
    shown, labels = fit(image, np.asarray(categories, np.int32), longest=_LONGEST)
    _, parts = fit(image, np.asarray(regions, np.int32), longest=_LONGEST)
    colors = category_colors(count)[labels].astype(np.float32)
    inside = (labels > 0)[..., None]
    painted = np.where(
        inside,
        (1 - _CATEGORY_FILL) * shown + _CATEGORY_FILL * colors,
        _DIMMED * shown.astype(np.float32),
    )
    painted[boundaries(parts)] = 255
    gap = np.full((shown.shape[0], _GAP, 3), 255, np.uint8)
    return np.concatenate([shown, gap, np.rint(painted).astype(np.uint8)], axis=1)


def _paint_truth(
    image: UInt8[np.ndarray, "h w 3"], truth: Int[np.ndarray, "h w"]
) -> UInt8[np.ndarray, "h w 3"]:
    """Classes as the children of one root; the image where nothing is known."""
    classes, index = np.unique(truth, return_inverse=True)
    labels = index.reshape(truth.shape) + 1
    flat = RegionTree.flat(labels, classes.size + 1)
    painted = paint(image, labels, np.arange(classes.size + 1), node_colors(flat))
    return np.where(truth[..., None] < 0, image, painted)


def paint(
    image: UInt8[np.ndarray, "h w 3"],
    labels: Int[np.ndarray, "h w"],
    seen_as: Int[np.ndarray, " n"],
    colors: UInt8[np.ndarray, "n 3"],
) -> UInt8[np.ndarray, "h w 3"]:
    """An image in the colours of the nodes as which its labels are seen.

    Args:
      image: its pixels.
      labels: the node of every pixel.
      seen_as: of every node the one that is shown.
      colors: of the nodes.
    """
    nodes, numbers = np.unique(seen_as, return_inverse=True)
    small = np.uint8 if nodes.size <= 256 else np.int32
    regions = numbers.astype(small).take(labels)
    # Over a pale grey image: its own colours would be mistaken for those of regions,
    # and black would swallow them.
    grey = np.asarray(Image.fromarray(image).convert("L"))
    pale = _BLACK + (1 - _BLACK / 255) * np.arange(256, dtype=np.float32)
    shades = (1 - _FILL) * pale[:, None] + _FILL * colors[nodes][:, None]
    # One number for each colour: a table of them is read much faster than three.
    palette = np.full((nodes.size + 1, 256, 4), 255, np.uint8)
    palette[:-1, :, :3] = np.rint(shades)
    index = regions.astype(np.int32) * 256 + grey
    thickness = 1 if max(regions.shape) < _THIN_LINES_BELOW else 2
    np.putmask(index, boundaries(regions, thickness=thickness), nodes.size * 256)
    found = palette.view(np.uint32).ravel().take(index).view(np.uint8)
    painted = np.empty_like(image)
    for channel in range(3):  # of all at once numpy copies three bytes at a time
        painted[..., channel] = found.reshape(*index.shape, 4)[..., channel]
    return painted


def _sheet(
    drawn: list[UInt8[np.ndarray, "h w 3"]], captions: list[str]
) -> UInt8[np.ndarray, "H W 3"]:
    height, width = drawn[0].shape[:2]
    cell_width, cell_height = max(width, _NARROWEST), height + _CAPTION
    columns = _num_columns(len(drawn), cell_width, cell_height)
    rows = -(-len(drawn) // columns)
    size = (rows * (cell_height + _GAP) + _GAP, columns * (cell_width + _GAP) + _GAP)
    sheet = np.full((*size, 3), _PAPER, np.uint8)
    for index, (panel, caption) in enumerate(zip(drawn, captions, strict=True)):
        row, column = divmod(index, columns)
        left = _GAP + column * (cell_width + _GAP)
        top = _GAP + row * (cell_height + _GAP)
        cell = sheet[top : top + cell_height, left : left + cell_width]
        margin = (cell_width - width) // 2
        cell[:height, margin : margin + width] = panel
        cell[height:] = _line(caption, cell_width)
    return sheet


def _line(text: str, width: int) -> UInt8[np.ndarray, "h w 3"]:
    """One line of text, of which the end is seen where it is too long."""
    font = ImageFont.load_default(size=_FONT)
    begin = 0
    while begin < len(text) and font.getlength(_from(text, begin)) > width - _GAP:
        begin += 1
    line = Image.new("RGB", (width, _CAPTION), (_PAPER,) * 3)
    middle = width / 2, _CAPTION / 2 + 2
    shown = _from(text, begin)
    ImageDraw.Draw(line).text(middle, shown, fill=_INK, font=font, anchor="mm")
    return np.asarray(line)


def _from(text: str, begin: int) -> str:
    return f"...{text[begin:]}" if begin else text


def _num_columns(count: int, width: int, height: int) -> int:
    """Columns of the fullest grid whose aspect is nearest to `_ASPECT`."""

    def distance(columns: int) -> tuple[int, float]:
        rows = -(-count // columns)
        aspect = columns * width / (rows * height)
        return rows * columns - count, abs(math.log(aspect / _ASPECT))

    return min(range(1, count + 1), key=distance)


def _draw(result: Result, options: ExportOptions) -> UInt8[np.ndarray, "h w 3"]:
    if options.num_categories is None:
        tree, _ = result.pruned(options)
        levels = options.levels
        if options.choice.criterion:
            most = int(np.asarray(tree.is_leaf()).sum())
            levels = tuple(dict.fromkeys(min(x, most) for x in levels))
        return overlay(result.pixels, tree, levels=levels, valid=result.valid)
    return paint_categories(
        result.pixels,
        result.category_map(),
        np.asarray(result.tree.labels),
        count=options.num_categories,
    )


def _note(options: ExportOptions) -> str:
    if options.num_categories is not None:
        return "categories"
    return options.note(f"levels {','.join(map(str, options.levels))}")


PNG = png_format(
    "png",
    "the image beside its regions",
    ".png",
    draw=_draw,
    note=_note,
    holds_regions=False,
)
"""The format "png"."""
