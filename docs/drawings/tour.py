"""Draws docs/tour.svg: the library from an image to exports, by the library itself.

    python docs/drawings/tour.py

Features, superpixels, cuts and the tree are what the default method finds in the scene
(`pictures`). Every box is a link, written as the path of a page below docs/; the
site turns them into addresses (docs/mkdocs/drawings.py). Text takes the colours
of the page around it, so that one file serves light and dark.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

import scene
from pictures import (
    OBJECTS,
    PARTS,
    draw_cuts,
    draw_features,
    draw_superpixels,
    draw_tree,
)

import uhseg_jax

_WIDTH, _GAP, _PICTURE = 960, 48, 288
_SCALE = _PICTURE / scene.SIZE[0]
_TALL = round(scene.SIZE[1] * _SCALE)
_TITLE, _CAPTION, _BETWEEN = 30, 46, 34
_BOX_HEIGHT, _BOX_GAP = 58, 16
# From a panel to the next one, to the right and below.
_STEP, _ROW = _PICTURE + _GAP, _TITLE + _TALL + _CAPTION + _BETWEEN

_STYLE = """
.tour{color:var(--md-default-fg-color,#1f2328);max-width:100%;height:auto}
.tour text{fill:currentColor;font-family:var(--md-text-font-family,system-ui),\
system-ui,sans-serif}
.tour .title{font-size:20px;font-weight:600}
.tour .note{font-size:15px;opacity:.75}
.tour .small{font-size:16px}
.tour .box{fill:currentColor;fill-opacity:.06;stroke:currentColor;stroke-opacity:.35}
.tour .frame{fill:none;stroke:currentColor;stroke-opacity:.35}
.tour .line{stroke:currentColor;fill:none;stroke-width:2}
.tour .head{fill:currentColor}
.tour a{color:inherit;text-decoration:none}
.tour a .title,.tour a .small{fill:var(--md-typeset-a-color,currentColor)}
.drawing{display:block;overflow-x:auto}
.drawing .tour{min-width:640px}
.tour a:hover .box,.tour a:focus .box,.tour a:hover .frame,.tour a:focus .frame{\
stroke:var(--md-accent-fg-color,#3b6fe0);stroke-opacity:1;stroke-width:3}
@media (prefers-color-scheme:dark){.tour{color:var(--md-default-fg-color,#e6edf3)}}
"""


@dataclasses.dataclass(frozen=True)
class Panel:
    """A step of the tour: a drawing with a title, two lines and the page it leads to.

    Attributes:
      title: of a few words.
      notes: lines below the drawing.
      page: path below docs/.
      drawing: elements, in pixels of the scene.
    """

    title: str
    notes: tuple[str, ...]
    page: str
    drawing: str


def text(x: float, y: float, words: str, kind: str, anchor: str = "start") -> str:
    """A line of text."""
    return (
        f'<text x="{x}" y="{y}" class="{kind}" text-anchor="{anchor}">'
        f"{escape(words)}</text>"
    )


def link(page: str, title: str, inside: str) -> str:
    """What leads to a page."""
    return f'<a href="{page}"><title>{escape(title)}</title>{inside}</a>'


def box(x: float, y: float, width: float, lines: Sequence[str], page: str) -> str:
    """A box with one or two lines that leads to a page."""
    middle, height = x + width / 2, _BOX_HEIGHT
    first = y + (height / 2 + 6 if len(lines) == 1 else height / 2 - 4)
    words = "".join(
        text(middle, first + 21 * i, line, "note" if i else "small", "middle")
        for i, line in enumerate(lines)
    )
    frame = (
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="8" class="box"/>'
    )
    return link(page, lines[0], frame + words)


def arrow(d: str, x: float, y: float, turn: int = 0) -> str:
    """A line with a head where it ends."""
    return (
        f'<path d="{d}" class="line"/><path d="M-10 -7L2 0L-10 7Z" class="head" '
        f'transform="translate({x} {y}) rotate({turn})"/>'
    )


def place(panel: Panel, x: float, y: float) -> str:
    """A panel on the sheet."""
    below = y + _TITLE + _TALL
    notes = "".join(
        text(x, below + 21 + 19 * i, note, "note") for i, note in enumerate(panel.notes)
    )
    frame = (
        f'<rect x="{x}" y="{y + _TITLE}" width="{_PICTURE}" height="{_TALL}" rx="4" '
        'class="frame"/>'
    )
    drawing = (
        f'<svg x="{x}" y="{y + _TITLE}" width="{_PICTURE}" height="{_TALL}" '
        f'viewBox="0 0 {scene.SIZE[0]} {scene.SIZE[1]}">{panel.drawing}</svg>'
    )
    title = text(x, y + 20, panel.title, "title")
    return link(panel.page, panel.title, title + drawing + frame + notes)


def sheet(panels: Sequence[Panel], exports: Sequence[str], others: str) -> str:
    """The whole drawing."""
    placed = [place(p, i % 3 * _STEP, i // 3 * _ROW) for i, p in enumerate(panels)]
    middle = _TITLE + _TALL / 2
    arrows = [
        arrow(
            f"M{left + 8} {y}H{left + _GAP - 10}",
            left + _GAP - 10,
            y,
        )
        for y in (middle, _ROW + middle)
        for left in (_PICTURE, _PICTURE + _STEP)
    ]
    turn = _ROW - _BETWEEN + 12
    arrows.append(
        arrow(
            f"M{_WIDTH - 40} {_TITLE + _TALL + _CAPTION + 2}V{turn}H{_PICTURE - 30}"
            f"V{_ROW + _TITLE - 10}",
            _PICTURE - 30,
            _ROW + _TITLE - 8,
            90,
        )
    )
    height = 2 * _ROW + 2 * _BOX_HEIGHT + _BOX_GAP + 8
    body = "".join([*placed, *arrows, *exports, others])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="tour" viewBox="-4 -4 '
        f'{_WIDTH + 8} {height}" role="group" aria-label="From an image to its tree of '
        f'regions, and what is made of it"><style>{_STYLE}</style>{body}</svg>\n'
    )


def steps_to_a_tree() -> list[Panel]:
    """The panels, with what the default method finds in the scene."""
    image = scene.pixels()
    tree = uhseg_jax.segment(image, dtype="float32")
    return [
        Panel(
            "1 · An image",
            ("a file, an array, a folder of many",),
            "start/first_image.md",
            "".join(shape.svg() for shape in scene.shapes()),
        ),
        Panel(
            "2 · Features of patches",
            ("a vector for each, by a backbone", "(colours: principal components)"),
            "methods/backbones.md",
            draw_features(image),
        ),
        Panel(
            "3 · Superpixels, a graph",
            ("they keep to the edges", "and average the features"),
            "methods/region_merging.md",
            draw_superpixels(image),
        ),
        Panel(
            "4 · Cuts and merges",
            (
                "cuts find objects, merges their parts",
                f"({OBJECTS} regions; dashed: {PARTS})",
            ),
            "methods/index.md",
            draw_cuts(tree),
        ),
        Panel(
            "5 · A tree of regions",
            (f"here cut at 1, {OBJECTS} and {PARTS} regions;", "finer cuts are nested"),
            "start/python.md",
            draw_tree(tree),
        ),
    ]


def boxes_of_exports() -> list[str]:
    """What is made of a tree, in the place of a sixth panel."""
    left, top = 2 * _STEP, _ROW + _TITLE
    names = [
        ("Masks, COCO", "use/exports.md"),
        ("A page", "use/page.md"),
        ("Similar regions", "use/similar.md"),
        ("Names", "use/names.md"),
        ("Proposals", "use/proposals.md"),
        ("Scores", "use/scoring.md"),
    ]
    half = (_PICTURE - _BOX_GAP) / 2
    pitch = (_TALL + _BOX_GAP) / 3
    exports = [text(left, _ROW + 20, "6 · What you take away", "title")]
    exports += [
        box(left + i % 2 * (half + _BOX_GAP), top + i // 2 * pitch, half, [name], page)
        for i, (name, page) in enumerate(names)
    ]
    return exports


def boxes_of_other_ways() -> str:
    """Other methods, and what is one's own, in two rows at the bottom."""
    quarter = (_WIDTH - 3 * _BOX_GAP) / 4
    more = [
        ("recursive_spectral", "Rossetti & Pirri", "methods/recursive_spectral.md"),
        ("diffusion_walk", "attention as a walk", "methods/diffusion_walk.md"),
        (
            "multilevel_clustering",
            "a whole collection",
            "methods/multilevel_clustering.md",
        ),
        ("Which of them?", "method, backbone, size", "start/choosing.md"),
        ("Features of your own", "in place of step 2", "own/features.md"),
        ("A method of your own", "in place of 3 and 4", "own/method.md"),
        ("Gradients", "through a soft cut", "jax/gradients.md"),
        ("Examples", "a gallery, made by running", "gallery/index.md"),
    ]
    return "".join(
        box(
            i % 4 * (quarter + _BOX_GAP),
            2 * _ROW + i // 4 * (_BOX_HEIGHT + _BOX_GAP),
            quarter,
            [title, note],
            page,
        )
        for i, (title, note, page) in enumerate(more)
    )


def main() -> None:
    """Writes docs/tour.svg."""
    drawn = sheet(steps_to_a_tree(), boxes_of_exports(), boxes_of_other_ways())
    (Path(__file__).parents[1] / "tour.svg").write_text(drawn)


if __name__ == "__main__":
    main()
