"""Which kinds of image files are read, by name and by content."""

import functools

from PIL import Image, features
from PIL.TiffImagePlugin import ImageFileDirectory_v2, TiffImageFile

from uhseg_jax.images.sources import OpenFile, PathLike
from uhseg_jax.optional import OPTIONAL, is_installed

__all__ = [
    "HEIF_ADVICE",
    "HEIF_SUFFIXES",
    "IMAGE_SUFFIXES",
    "OTHER_SUFFIXES",
    "formats",
    "is_raw",
    "looks_like_an_image",
    "other_kind",
    "tiff_kind",
]

# Those that photographs and scans come in. Pillow knows others: some of them start
# programs (EPS), and none is wanted because a file happens to look like it.
_FORMATS = (
    *("JPEG", "PNG", "TIFF", "WEBP", "GIF", "BMP", "DIB", "AVIF", "JPEG2000", "PPM"),
    *("TGA", "HEIF"),
)

_AVIF = (".avif", ".avifs")
HEIF_SUFFIXES = (".heic", ".heif", ".hif")

# Camera raw, documents and pictures that nothing here decodes.
_NEVER = (
    *(".3fr", ".arw", ".bpg", ".cr2", ".cr3", ".crw", ".dcm", ".dcr", ".dng", ".emf"),
    *(".eps", ".erf", ".exr", ".fff", ".fit", ".fits", ".hdr", ".ico", ".iiq", ".jls"),
    *(".jxl", ".jxr", ".kdc", ".mef", ".mos", ".mrw", ".nef", ".nrw", ".orf", ".pcx"),
    *(".pef", ".psb", ".psd", ".ptx", ".qoi", ".raf", ".raw", ".rw2", ".rwl", ".sgi"),
    *(".sr2", ".srf", ".srw", ".svg", ".wdp", ".wmf", ".x3f", ".xcf"),
)

# Beginnings of files that are taken for images: where, what stands there, what it is.
_BEGINNINGS = (
    (0, b"%!PS", "PostScript"),
    (0, b"\xc5\xd0\xd3\xc6", "PostScript"),
    (0, b"%PDF", "a PDF document"),
    (0, b"8BPS", "a Photoshop file"),
    (0, b"SIMPLE  =", "a FITS file"),
    (0, b"\x89HDF", "an HDF5 file"),
    (0, b"<svg", "an SVG drawing"),
    (0, b"<?xml", "an XML file"),
    (0, b"<!DOCTYPE", "a web page"),
    (0, b"<html", "a web page"),
    (0, b"version https://git-lfs", "a Git LFS pointer to the image"),
    (0, b"\xff\x0a", "a JPEG XL image"),
    (4, b"JXL \r\n\x87\n", "a JPEG XL image"),
    (4, b"ftypcrx", "a camera's raw data"),
    (4, b"ftyphei", "an HEIC image"),
    (4, b"ftyphev", "an HEIC image"),
    (4, b"ftypmif1", "an HEIC image"),
    (4, b"ftypavif", "an AVIF image"),
    (8, b"CR\x02\x00", "a camera's raw data"),
    (0, b"FUJIFILMCCD-RAW", "a camera's raw data"),
    (0, b"FOVb", "a camera's raw data"),
    *((0, x, "a camera's raw data") for x in (b"IIRO", b"IIRS", b"MMOR", b"IIU\0")),
)

# Beginnings of files that are images whatever their names.
_IMAGES = (
    *((0, x) for x in (b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF8", b"II*\0", b"MM\0*")),
    *((8, b"WEBP"), (4, b"jP  \r\n"), (4, b"JXL \r\n"), (0, b"8BPS")),
    *((4, b"ftyp" + x) for x in (b"avif", b"crx", b"hei", b"hev", b"mif1")),
)

_HEAD = 64  # bytes that tell what a file is

# Tags of TIFF.
_BITS, _BANDS, _SAMPLE_FORMAT = 258, 277, 339
_DNG_VERSION, _SUBFILE_TYPE, _SUB_IFDS = 50706, 254, 330


_HAS_AVIF = features.check("avif")
# A library that may be installed beside Pillow.
_HAS_HEIF = is_installed("pillow_heif")
HEIF_ADVICE = f"{OPTIONAL['pillow_heif'].advice} to read HEIC"

IMAGE_SUFFIXES: tuple[str, ...] = (
    *(".apng", ".bmp", ".dib", ".gif", ".j2c", ".j2k", ".jfif", ".jp2", ".jpc", ".jpe"),
    *(".jpeg", ".jpf", ".jpg", ".jpx", ".mpo", ".pbm", ".pfm", ".pgm", ".png", ".pnm"),
    *(".ppm", ".tga", ".tif", ".tiff", ".webp"),
    *(_AVIF if _HAS_AVIF else ()),
    *(HEIF_SUFFIXES if _HAS_HEIF else ()),
)
"""How the names of images end that are read here."""

# Images of kinds that are not read.
OTHER_SUFFIXES: tuple[str, ...] = (
    *_NEVER,
    *(() if _HAS_AVIF else _AVIF),
    *(() if _HAS_HEIF else HEIF_SUFFIXES),
)


@functools.cache
def formats() -> tuple[str, ...]:
    """Pillow's names of the formats that are read here."""
    Image.init()
    if _HAS_HEIF:
        import pillow_heif

        pillow_heif.register_heif_opener()
    return tuple(x for x in _FORMATS if x in Image.OPEN)


def other_kind(file: OpenFile) -> str:
    """What a file looks like if it is of no kind that is read; empty for any other.

    Args:
      file: open; it is left at its beginning.
    """
    head = file.read(_HEAD)
    file.seek(0)
    if not head:
        return "empty"
    kinds = (kind for at, mark, kind in _BEGINNINGS if head[at:].startswith(mark))
    return next(kinds, "")


def looks_like_an_image(path: PathLike) -> bool:
    """Whether a file, which must be a regular one, begins as images do."""
    try:
        with open(path, "rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return False
    return any(head[at:].startswith(mark) for at, mark in _IMAGES)


def tiff_kind(file: OpenFile) -> str:
    """What numbers a TIFF holds, for one that is not read; empty for other files."""
    try:
        file.seek(0)
        tags = ImageFileDirectory_v2(file.read(8))
        file.seek(tags.next)
        tags.load(file)
        bits, bands = tags.get(_BITS, (1,))[0], tags.get(_BANDS, 1)
        kind = tags.get(_SAMPLE_FORMAT, (1,))[0]
    except Exception:  # no TIFF, or one that is damaged
        return ""
    numbers = {2: "signed integers", 3: "floats"}.get(kind, "integers")
    in_bands = f" in {bands} bands" if bands != 1 else ""
    return f"a TIFF of {bits}-bit {numbers}{in_bands}, a kind that is not read"


def is_raw(image: Image.Image) -> bool:
    """Whether an image is only the preview in a TIFF of a camera's raw data."""
    if not isinstance(image, TiffImageFile):
        return False
    tags = image.tag_v2
    is_preview = tags.get(_SUBFILE_TYPE, 0) & 1 and _SUB_IFDS in tags
    return _DNG_VERSION in tags or bool(is_preview)
