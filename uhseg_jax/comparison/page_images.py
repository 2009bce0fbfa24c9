"""The images on the page of a comparison, side by side over the evaluations."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from uhseg_jax.comparison.groups import Group
from uhseg_jax.comparison.images import choose, drawn_images, panels_of
from uhseg_jax.comparison.page_parts import escaped, number, run_chip, signed
from uhseg_jax.comparison.scores import title_of
from uhseg_jax.export.panels import jpeg_url
from uhseg_jax.types import UInt8

__all__ = ["images"]

_COUNT = 6  # under each heading
_QUALITY = 80  # of JPEG


def images(group: Group, labels: Sequence[str]) -> str:
    """Where scores differ most, and the worst and best images of the first.

    Raises:
      ValueError: a drawing is damaged.
    """
    drawn = drawn_images(group)
    ranked_by = title_of(group.first.ranked_by)
    intro = (
        f'<p class="quiet">By {escaped(ranked_by)}, of the {len(drawn)} images that '
        f"are drawn in every folder ({len(group.first.images)} were scored; "
        "<code>--drawings</code> of uhseg-evaluate says how many are drawn).</p>"
    )
    parts = ["<h3>Images</h3>", intro]
    kind = "images many" if len(group.members) > 2 else "images"
    for choice in choose(group, drawn, count=_COUNT):
        heading = choice.heading.replace("The first", group.first.label, 1)
        parts.append(f"<h3>{escaped(heading)}</h3>")
        shown = "".join(_image(group, index, labels) for index in choice.indices)
        parts.append(f'<div class="{kind}">{shown}</div>')
    return "\n".join(parts)


def _image(group: Group, index: int, labels: Sequence[str]) -> str:
    truth, found = panels_of(group, index)
    name = group.first.images[index]
    columns = [_column('<span class="quiet">The image</span>', truth, name)]
    first = group.first.ranking()[index]
    for one, panels in zip(group.members, found, strict=True):
        score = one.ranking()[index]
        said = number(score)
        if one is not group.first and not math.isnan(score - first):
            said += f" ({signed(score - first)})"
        heading = f"{run_chip(one.label, labels)}<br>{said}"
        columns.append(_column(heading, panels, f"{name}, {one.label}"))
    return (
        f'<article class="image"><h4>{escaped(name)}</h4>'
        f'<div class="columns" tabindex="0" role="group" '
        f'aria-label="{escaped(name)}">{"".join(columns)}</div></article>'
    )


def _column(
    heading: str, panels: Mapping[str, UInt8[np.ndarray, "_ _ 3"]], name: str
) -> str:
    figures = "".join(
        f'<figure><img alt="{escaped(f"{caption}: {name}")}" '
        f'width="{panel.shape[1]}" height="{panel.shape[0]}" '
        f'src="{jpeg_url(panel, quality=_QUALITY)}">'
        f"<figcaption>{escaped(caption)}</figcaption></figure>"
        for caption, panel in panels.items()
    )
    return f'<div class="column"><p>{heading}</p>{figures}</div>'
