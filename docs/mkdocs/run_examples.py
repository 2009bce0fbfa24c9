"""Runs examples of the gallery, one after the other, in one process.

    python docs/mkdocs/run_examples.py FOLDER EXAMPLE.py ...

FOLDER/EXAMPLE then holds what the example printed (`printed.txt`) and what it drew
(`picture.webp`, and `card.webp`, the same for the index). One line of JSON on the
standard output for each tells how it went: ``name``, ``seconds`` and ``error``, which
is null or a traceback. The exit status is 1 if one failed.
"""

import contextlib
import io
import json
import os
import runpy
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

PRINTED, PICTURE, CARD = "printed.txt", "picture.webp", "card.webp"

_DOTS_PER_INCH = 110
_QUALITY = 88
_CARD = (480, 300)  # pixels
_PAPER = (255, 255, 255)


def main(arguments: list[str]) -> int:
    """The exit status."""
    folder, *scripts = (Path(x).resolve() for x in arguments)
    report, failed = sys.stdout, 0
    for script in scripts:
        begun = time.monotonic()
        error = run_example(script, folder / script.stem)
        seconds = round(time.monotonic() - begun, 1)
        told = {"name": script.stem, "seconds": seconds, "error": error}
        print(json.dumps(told), file=report, flush=True)
        failed += error is not None
    return min(failed, 1)


def run_example(script: Path, folder: Path) -> str | None:
    """Runs a script; the folder comes to be when it is done, and not if it fails.

    Returns:
      None, or the traceback of what went wrong.
    """
    try:
        printed, picture = _run(script)
    except (Exception, SystemExit):
        return _traceback(script)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as aside:
        made = Path(aside) / folder.name
        made.mkdir()
        (made / PRINTED).write_text(printed, encoding="utf-8")
        _save(picture, made)
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)
    return None


def _run(script: Path) -> tuple[str, bytes]:
    """What a script prints, and the figure that it draws as PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    pyplot.close("all")
    matplotlib.rcdefaults()
    printed = io.StringIO()
    with (
        _in_empty_folder(),
        contextlib.redirect_stdout(printed),
        warnings.catch_warnings(),
        matplotlib.rc_context({"savefig.bbox": "tight", "savefig.pad_inches": 0.08}),
    ):
        warnings.simplefilter("error", UserWarning)
        warnings.filterwarnings("ignore", ".*is non-interactive")  # plt.show()
        runpy.run_path(str(script), run_name="__main__")
        if len(pyplot.get_fignums()) != 1:
            raise ValueError(
                f"expected one figure of matplotlib, but {script.name} left "
                f"{len(pyplot.get_fignums())}; draw into one, with plt.subplots."
            )
        drawn = io.BytesIO()
        pyplot.savefig(drawn, format="png", dpi=_DOTS_PER_INCH)
    pyplot.close("all")
    return printed.getvalue(), drawn.getvalue()


@contextlib.contextmanager
def _in_empty_folder():
    """Files that an example writes are gone afterwards."""
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)


def _save(picture: bytes, folder: Path) -> None:
    from PIL import Image, ImageOps

    image = Image.open(io.BytesIO(picture)).convert("RGB")
    image.save(folder / PICTURE, quality=_QUALITY, method=6)
    card = ImageOps.pad(image, _CARD, Image.Resampling.LANCZOS, _PAPER)
    card.save(folder / CARD, quality=_QUALITY, method=6)


def _traceback(script: Path) -> str:
    """What went wrong, from the line of the script on."""
    kind, error, frames = sys.exc_info()
    while frames is not None and frames.tb_frame.f_code.co_filename != str(script):
        frames = frames.tb_next
    return "".join(traceback.format_exception(kind, error, frames))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
