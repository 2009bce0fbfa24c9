"""From numbers of any depth to the 256 tones that models were trained on."""

import numpy as np

from uhseg_jax.types import Bool, UInt8

__all__ = ["to_tones", "tone_ends", "toned", "uses_little"]

# One value in a thousand at either end may be an outlier.
_ENDS = (0.001, 0.999)
# Below this part of its range, an image was not made for the whole of it.
_LITTLE = 1 / 4
# The lowest and highest numbers of single precision, 1e30 and 1e31 stand for no data.
_NO_DATA = 1e30

_BLOCK = 2**20
_SAMPLE = 2**22


def to_tones(
    values: np.ndarray, missing: Bool[np.ndarray, "..."] | None = None
) -> UInt8[np.ndarray, "..."]:
    """Maps real numbers to tones from 0 to 255.

    Integers are tones of 16 bits (65535 becomes 255) and floats tones from 0 to 1, if
    they use more than a quarter of that range, or all are one number in it. All others
    are stretched: from the lowest to the highest value, each after the outermost
    thousandth, which becomes 0 or 255. uint8 stays as it is.

    Args:
      values: of any integer or floating type, or bool.
      missing: where there is no value. NaN, and numbers from 1e30 on, are missing too.
        They become 0 and count for nothing.
    """
    if values.dtype == bool:
        values = values.astype(np.uint8) * np.uint8(255)
    flat = values.reshape(-1)
    if missing is not None:
        missing = missing.reshape(-1)
    tones = np.empty(flat.shape, np.uint8)
    if values.dtype == np.uint8:
        tones[:] = flat
        if missing is not None:
            tones[missing] = 0
        return tones.reshape(values.shape)
    ends = _ends(flat, missing)
    for start in range(0, len(flat), _BLOCK):
        block = slice(start, start + _BLOCK)
        known = _known(flat[block], None if missing is None else missing[block])
        tones[block] = toned(np.where(known, flat[block], ends[0]), ends)
    return tones.reshape(values.shape)


def tone_ends(values: np.ndarray) -> tuple[float, float]:
    """The values that become 0 and 255, by the rules of `to_tones`, for its parts.

    Args:
      values: of the whole, or every so many of them; of any type but uint8 and bool.
    """
    return _ends(values.reshape(-1), None)


def toned(values: np.ndarray, ends: tuple[float, float]) -> UInt8[np.ndarray, "..."]:
    """Tones of numbers, of which NaN are 0.

    Args:
      values: real numbers.
      ends: the values that become 0 and 255.
    """
    low, high = ends
    scale = 255 / (high - low) if high > low else 0.0
    number = np.clip(np.nan_to_num(values.astype(float), nan=low), low, high)
    return np.rint((number - low) * scale).astype(np.uint8)


def uses_little(
    high_bytes: UInt8[np.ndarray, "..."], missing: Bool[np.ndarray, "..."] | None
) -> bool:
    """Whether numbers of 16 bits, given by their high bytes, need stretching."""
    missing = None if missing is None else missing.reshape(-1)
    low, high = _outermost(high_bytes.reshape(-1), missing)
    return high - low < 256 * _LITTLE


def _ends(flat: np.ndarray, missing: np.ndarray | None) -> tuple[float, float]:
    """The values that become 0 and 255."""
    low, high = _outermost(flat, missing)
    full = 65535.0 if np.issubdtype(flat.dtype, np.integer) else 1.0
    uses_much = high - low > full * _LITTLE or high == low
    if low >= 0 and high <= full and uses_much:
        return 0.0, full
    return low, high


def _outermost(flat: np.ndarray, missing: np.ndarray | None) -> tuple[float, float]:
    """The lowest and highest value that are there, outliers left aside."""
    step = max(1, len(flat) // _SAMPLE)
    sample = flat[::step]
    known = _known(sample, None if missing is None else missing[::step])
    sample = sample[known & np.isfinite(sample)].astype(float)
    if not sample.size:
        return 0.0, 0.0
    # Values that occur, for those between two would lean towards outliers.
    low, high = map(float, np.quantile(sample, _ENDS, method="nearest"))
    if low == high:  # all but a few are alike
        low, high = float(sample.min()), float(sample.max())
    return low, high


def _known(values: np.ndarray, missing: np.ndarray | None) -> np.ndarray:
    known = (np.abs(values.astype(float)) < _NO_DATA) | np.isinf(values)
    return known if missing is None else known & ~missing
