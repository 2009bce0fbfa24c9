"""A scene of our own, as vectors for the drawings and as pixels for the library."""

import dataclasses

import numpy as np
from PIL import Image, ImageDraw

__all__ = ["SIZE", "pixels", "shapes"]

SIZE = 480, 320  # width and height
_OVERSAMPLING = 4


@dataclasses.dataclass(frozen=True)
class Ellipse:
    """An ellipse by its centre and its half axes."""

    x: float
    y: float
    a: float
    b: float
    color: str

    def svg(self) -> str:
        """The element that draws it."""
        return (
            f'<ellipse cx="{self.x}" cy="{self.y}" rx="{self.a}" ry="{self.b}" '
            f'fill="{self.color}"/>'
        )

    def paint(self, canvas: ImageDraw.ImageDraw, scale: int) -> None:
        """Paints it, that much larger."""
        box = (self.x - self.a, self.y - self.b, self.x + self.a, self.y + self.b)
        canvas.ellipse([scale * v for v in box], fill=self.color)


@dataclasses.dataclass(frozen=True)
class Polygon:
    """A polygon by its corners."""

    corners: tuple[tuple[float, float], ...]
    color: str

    def svg(self) -> str:
        """The element that draws it."""
        points = " ".join(f"{x},{y}" for x, y in self.corners)
        return f'<polygon points="{points}" fill="{self.color}"/>'

    def paint(self, canvas: ImageDraw.ImageDraw, scale: int) -> None:
        """Paints it, that much larger."""
        points = [(scale * x, scale * y) for x, y in self.corners]
        canvas.polygon(points, fill=self.color)


def _box(left: float, top: float, right: float, bottom: float, color: str) -> Polygon:
    return Polygon(((left, top), (right, top), (right, bottom), (left, bottom)), color)


def shapes() -> list[Ellipse | Polygon]:
    """What the scene is made of, from back to front."""
    width, height = SIZE
    hills = ((0, 210), (70, 150), (150, 190), (250, 130), (360, 195), (480, 150))
    meadow = ((0, 232), (120, 215), (260, 222), (480, 205))
    ground = ((width, height), (0, height))
    dog, window = "#3a3a3a", "#5b8fb9"
    return [
        _box(0, 0, width, height, "#9fd0ee"),
        Ellipse(405, 62, 34, 34, "#f7c948"),
        Ellipse(120, 62, 46, 18, "#ffffff"),
        Ellipse(158, 52, 34, 20, "#ffffff"),
        Polygon((*hills, *ground), "#7fae8b"),
        Polygon((*meadow, *ground), "#a8c65c"),
        Polygon(((215, 320), (262, 222), (282, 221), (330, 320)), "#d9c39a"),
        _box(72, 196, 92, 262, "#7a5230"),
        Ellipse(82, 160, 46, 46, "#2f7d3b"),
        _box(300, 160, 420, 250, "#e8e0d4"),
        Polygon(((286, 164), (360, 104), (434, 164)), "#b5452c"),
        _box(346, 200, 374, 250, "#6b4226"),
        _box(312, 182, 336, 208, window),
        _box(386, 182, 410, 208, window),
        Ellipse(172, 264, 36, 18, dog),
        Ellipse(212, 248, 15, 13, dog),
        Polygon(((200, 240), (206, 222), (216, 240)), dog),
        Polygon(((142, 262), (122, 238), (130, 234), (150, 254)), dog),
        _box(142, 262, 160, 300, dog),
        _box(186, 262, 204, 300, dog),
    ]


def pixels() -> np.ndarray:
    """The scene as uint8 ``[H, W, 3]``."""
    width, height = SIZE
    large = Image.new("RGB", (width * _OVERSAMPLING, height * _OVERSAMPLING))
    canvas = ImageDraw.Draw(large)
    for shape in shapes():
        shape.paint(canvas, _OVERSAMPLING)
    return np.asarray(large.resize(SIZE, Image.Resampling.LANCZOS))
