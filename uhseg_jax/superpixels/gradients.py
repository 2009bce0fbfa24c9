"""Where an image changes colour: gradients in CIE Lab, and their local contrast."""

import numpy as np

from uhseg_jax.types import Float, Pixels

__all__ = ["gradient_magnitude", "lab_planes", "local_contrast"]

# sRGB to XYZ (IEC 61966-2-1), and the white of D65 seen at two degrees.
_XYZ_OF_RGB = np.array(
    [
        [0.412453, 0.357580, 0.180423],
        [0.212671, 0.715160, 0.072169],
        [0.019334, 0.119193, 0.950227],
    ]
)
_WHITE = np.array([0.95047, 1.0, 1.08883])

# Of the contrast: the reach of a neighbourhood, and the weight of its energy.
_NEIGHBOURHOOD = 4.0  # pixels, standard deviation
_ENERGY_WEIGHT = 0.25


def lab_planes(image: Pixels) -> Float[np.ndarray, "3 H W"]:
    """CIE Lab of sRGB, float32: L from 0 to 100, a and b about 0.

    The formulas and constants of `skimage.color.rgb2lab`, in a third of its time.
    """
    value = np.arange(256) / 255
    linear = np.where(value > 0.04045, ((value + 0.055) / 1.055) ** 2.4, value / 12.92)
    rgb = linear.astype(np.float32).take(image).reshape(-1, 3)
    xyz = (_XYZ_OF_RGB / _WHITE[:, None]).astype(np.float32) @ rgb.T
    ramp = np.float32(7.787) * xyz + np.float32(16 / 116)
    x, y, z = np.where(xyz > np.float32(0.008856), np.cbrt(xyz), ramp)
    lab = np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)])
    return lab.reshape(3, *image.shape[:2])


def gradient_magnitude(
    planes: Float[np.ndarray, "c H W"], scale: float
) -> Float[np.ndarray, "H W"]:
    """The length of the gradient of all channels together, in their units per pixel.

    Args:
      planes: channels of the pixels.
      scale: standard deviation in pixels of the Gaussian derivatives; the image is
        mirrored at its borders.

    Returns:
      The square root of the sum over channels and both axes of squared derivatives, of
      the dtype of ``planes``.
    """
    from scipy.ndimage import gaussian_filter

    squares = np.zeros_like(planes[0])
    derivative = np.empty_like(squares)
    for plane in planes:
        for order in ((0, 1), (1, 0)):
            gaussian_filter(plane, scale, order=order, output=derivative)
            squares += np.square(derivative, out=derivative)
    return np.sqrt(squares, out=squares)


def local_contrast(gradient: Float[np.ndarray, "H W"]) -> Float[np.ndarray, "H W"]:
    """The gradient against that of its neighbourhood: low within texture.

    ``g / sqrt(1 + (G * g^2) / 4)`` with a Gaussian G of 4 pixels: divisive
    normalisation (Heeger, 1992). Where all gradients are alike it is below 2; across an
    edge that stands alone it is higher.
    """
    from scipy.ndimage import gaussian_filter

    energy = gaussian_filter(np.square(gradient), _NEIGHBOURHOOD)
    return gradient / np.sqrt(1 + _ENERGY_WEIGHT * energy)
