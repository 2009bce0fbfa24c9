"""What the cells of a tree are, by the shape of its labels, and what needs which.

``[h, w]``: pixels or patches of an image. ``[t, h, w]``: those of the frames of a clip,
or of the slices of a volume. ``[n]``: vertices of a graph, which lie nowhere.
"""

__all__ = ["require_cells", "require_image", "sides_of", "size_in_words"]

_SIDES = {1: ("vertices",), 2: ("height", "width"), 3: ("frames", "height", "width")}


def sides_of(shape: tuple[int, ...]) -> dict[str, int]:
    """The length of every axis of labels, by its name."""
    return dict(zip(_SIDES[len(shape)], map(int, shape), strict=True))


def size_in_words(shape: tuple[int, ...]) -> str:
    """The shape of labels, as a tree is shown in a line."""
    said = " x ".join(map(str, shape))
    return f"{said} vertices" if len(shape) == 1 else said


def require_image(shape: tuple[int, ...], what: str) -> None:
    """Refuses labels that are not those of one image.

    Args:
      shape: of the labels.
      what: needs it, for the message.

    Raises:
      ValueError: they are those of a clip or of a graph.
    """
    if len(shape) == 3:
        raise ValueError(
            f"{what} is of one image, with labels [h, w], but these labels are of "
            f"{shape[0]} frames, {list(shape)}; take one of them: `frame(i)`."
        )
    require_cells(shape, what)


def require_cells(shape: tuple[int, ...], what: str) -> None:
    """Refuses labels of vertices, whose neighbours nothing tells.

    Args:
      shape: of the labels.
      what: needs cells side by side, for the message.

    Raises:
      ValueError: they are those of a graph.
    """
    if len(shape) == 1:
        raise ValueError(
            f"{what} needs cells side by side, with labels [h, w] or [t, h, w], but "
            f"these are the labels of {shape[0]} vertices; bring the tree to pixels by "
            "`tree.over(vertices)`."
        )
