"""Help at once, from files: nobody who asks for it waits until JAX is imported.

``python -m uhseg_jax.cli.help_texts`` writes the files anew from the flags; a test says
where they are not what the flags say.
"""

import contextlib
import importlib
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from absl import flags

__all__ = ["COMMANDS", "FOLDER", "kept", "listed", "texts"]

COMMANDS = {
    "uhseg-segment": "segment",
    "uhseg-evaluate": "evaluate",
    "uhseg-export": "export",
    "uhseg-compare": "compare",
    "uhseg-convert": "convert_weights",
    "uhseg-benchmark": "benchmark",
}
"""The modules of this package that do the work of commands."""

FOLDER = Path(__file__).with_name("help")

_HELP = ("-h", "-help", "--help")
_DEFAULT = "region_merging"
_METHOD = re.compile(r"--?method(?:=(.*))?", re.DOTALL)
# With these the text is another, and made from the flags.
_OTHERS = re.compile(r"--?(preset|compare)\b.*|--", re.DOTALL)
# Behind it comes what is said of a method; see `method_help.with_method`.
_MARK = re.compile(r"(?<=NAME=VALUE\.\n\n)")


def kept(command: str, arguments: Sequence[str]) -> str | None:
    """The help text that a command line asks for.

    Args:
      command: one of `COMMANDS`.
      arguments: what follows it.

    Returns:
      The text; None where it does not ask for help, or for some that is not kept.
    """
    if not any(x in _HELP for x in arguments) or any(map(_OTHERS.fullmatch, arguments)):
        return None
    methods = [match[1] for x in arguments if (match := _METHOD.fullmatch(x))]
    method = methods[-1] if methods else _DEFAULT
    known = {path.name: path for path in FOLDER.glob("*.txt")}
    files = [known.get(f"{command}.txt"), known.get(f"method.{method}.txt")]
    found = [path.read_text("utf-8") for path in files if path is not None]
    if not found or (_MARK.search(found[0]) and len(found) < len(files)):
        return None
    return "".join(found) if _MARK.search(found[0]) else found[0]


def listed(values: "flags.FlagValues") -> str:
    """The flags of a command with their meanings and defaults."""
    (module,) = values.flags_by_module_dict()
    # Without its name.
    return values.module_help(module).strip().partition("\n")[2]


def texts() -> Iterator[tuple[str, str]]:
    """The names of the files, and what the flags say should be in them."""
    methods = importlib.import_module("uhseg_jax.methods").METHODS
    for command, module in COMMANDS.items():
        parts = _MARK.split(_said(command, module, "--help"), maxsplit=1)
        yield f"{command}.txt", parts[0]
        if command == "uhseg-segment":
            for method in methods:
                said = _said(command, module, "--help", f"--method={method}")
                common, own = _MARK.split(said, maxsplit=1)
                assert common == parts[0]
                yield f"method.{method}.txt", own


def _said(command: str, module: str, *arguments: str) -> str:
    main = importlib.import_module(f"uhseg_jax.cli.{module}").main
    with contextlib.redirect_stdout(io.StringIO()) as said:
        main([command, *arguments])
    return said.getvalue()


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in texts():
        (FOLDER / name).write_text(text, "utf-8")
