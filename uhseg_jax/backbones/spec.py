"""What a Vision Transformer is: the fields that tell one from another."""

import dataclasses

from uhseg_jax.backbones.positions import PositionRule

# ImageNet statistics of RGB in [0, 1]: what every model of the family was trained with.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ViTSpec:
    """What distinguishes one Vision Transformer from another.

    Attributes:
      patch: side of a patch in pixels.
      width: channels of a token.
      depth: number of blocks.
      heads: attention heads; they share ``width`` evenly.
      mlp_ratio: hidden channels of the MLP over ``width``.
      native_grid: side, in patches, of the grid that positions were trained on.
      registers: number of register tokens.
      positions: how positions are resampled for another grid (`positions.py`).
      mean: per-channel mean of the RGB pixels in [0, 1] that the model expects.
      std: per-channel standard deviation, likewise.
    """

    patch: int = 14
    width: int = 384
    depth: int = 12
    heads: int = 6
    mlp_ratio: int = 4
    native_grid: int = 37
    registers: int = 0
    positions: PositionRule = "offset"
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD


def check_image_size(spec: ViTSpec, height: int, width: int) -> None:
    """Refuses a picture that the patch does not tile.

    Args:
      spec: the model.
      height: rows of the picture, in pixels.
      width: columns of the picture, in pixels.

    Raises:
      ValueError: the patch does not divide a side; the nearest sizes are named.
    """
    if height > 0 and width > 0 and height % spec.patch == width % spec.patch == 0:
        return

    def nearest(side: int) -> str:
        below = side // spec.patch * spec.patch
        fits = {max(below, spec.patch)}
        if side > below:
            fits.add(below + spec.patch)
        return " or ".join(str(size) for size in sorted(fits))

    raise ValueError(
        f"The model cuts a picture into patches of {spec.patch} x {spec.patch} pixels, "
        f"which do not tile {height} x {width} (height x width). The nearest sizes "
        f"that fit are {nearest(height)} rows by {nearest(width)} columns."
    )
