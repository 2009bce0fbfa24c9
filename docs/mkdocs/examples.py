"""The gallery: examples, what a run of them left, and the pages that show it.

An example is a script in docs/gallery/, and docs/gallery/index.md lists all of them. A
run leaves a folder for each in .gallery/, with a key of all that the result may depend
on: examples whose key is current are not run again.
"""

import ast
import dataclasses
import hashlib
import importlib.metadata
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from run_examples import CARD, PICTURE, PRINTED

ROOT = Path(__file__).parents[2]
GALLERY = ROOT / "docs" / "gallery"
INDEX = "gallery/index.md"
RESULTS = ROOT / ".gallery"
PICTURES = {PICTURE: "{}.webp", CARD: "{}-card.webp"}
"""The files of a result that the site shows, and what they are called there."""

_RUNNER = Path(__file__).with_name("run_examples.py")
_KEY = "key.txt"
_PACKAGES = ("jax", "jaxlib", "matplotlib", "numpy", "pillow", "scikit-image", "scipy")
_ITEM = re.compile(r"^\* \[(.+)\]\((\w+)\.py\)$", re.M)


@dataclasses.dataclass(frozen=True)
class Example:
    """A script of the gallery.

    Attributes:
      script: its file.
      title: the first line of its docstring.
      text: the rest of that, in Markdown.
      code: what follows the docstring.
    """

    script: Path
    title: str
    text: str
    code: str

    @classmethod
    def read(cls, script: Path) -> "Example":
        """The example in a file."""
        source = script.read_text(encoding="utf-8")
        module = ast.parse(source)
        docstring = ast.get_docstring(module)
        if not docstring:
            raise ValueError(f"expected a docstring at the top of {script}; write one.")
        title, _, text = docstring.partition("\n")
        code = "\n".join(source.splitlines()[module.body[0].end_lineno :])
        return cls(script, title.rstrip("."), text.strip(), code.strip())

    @property
    def name(self) -> str:
        """That of the script without its suffix."""
        return self.script.stem

    def key(self, package: str) -> str:
        """What a result depends on: the script, and the digest of the rest."""
        script = self.script.read_bytes()
        return hashlib.sha256(script + package.encode()).hexdigest()

    def page(self, result: Path | None) -> str:
        """Its page in Markdown, with what a run left in a folder, or None."""
        printed = ""
        if result is None:
            picture = "(This example was not run when the page was built.)\n\n"
        else:
            picture = f"![What the example draws]({self.name}.webp)\n\n"
            if said := (result / PRINTED).read_text(encoding="utf-8").rstrip():
                printed = f"It prints:\n\n```text\n{said}\n```\n"
        code = f'```python title="{self.script.name}"\n{self.code}\n```\n\n'
        return f"# {self.title}\n\n{self.text}\n\n{picture}{code}{printed}"


def digest_of_package(root: Path = ROOT) -> str:
    """A digest of the package, of what it stands on, and of what runs examples."""
    digest = hashlib.sha256(sys.version.encode())
    for name in _PACKAGES:
        digest.update(f"{name} {importlib.metadata.version(name)}\n".encode())
    for file in [_RUNNER, *sorted((root / "uhseg_jax").rglob("*.py"))]:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def results_of(
    examples: Sequence[Example],
    results: Path = RESULTS,
    *,
    run: bool = True,
    tell: Callable[[str], None] = print,
) -> dict[str, Path]:
    """The folders of results that are current, after a run of those that were not.

    Args:
      examples: of the gallery.
      results: where the folders lie.
      run: whether to run examples.
      tell: is told of every one that was run.

    Raises:
      RuntimeError: an example failed; the message has its traceback.
    """
    package = digest_of_package()
    keys = {x.name: x.key(package) for x in examples}

    def is_current(name: str) -> bool:
        file = results / name / _KEY
        return file.exists() and file.read_text() == keys[name]

    wanted = [x for x in examples if run and not is_current(x.name)]
    for told in _run(wanted, results):
        if told["error"]:
            raise RuntimeError(
                f"the example {told['name']} of the gallery failed:\n{told['error']}"
                "Mend it; UHSEG_GALLERY=skip builds the site without running examples."
            )
        (results / told["name"] / _KEY).write_text(keys[told["name"]])
        tell(f"The example {told['name']} ran in {told['seconds']} s.")
    return {x.name: results / x.name for x in examples if is_current(x.name)}


def _run(examples: Sequence[Example], results: Path) -> Iterator[dict[str, Any]]:
    """Runs examples in a process of their own; what it told of each as it is done."""
    if not examples:
        return
    scripts = [str(x.script) for x in examples]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    with subprocess.Popen(
        [sys.executable, str(_RUNNER), str(results), *scripts],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            yield json.loads(line)


def groups_of(index: str) -> dict[str, list[tuple[str, str]]]:
    """The headings of the index, with titles and names of the examples below each."""
    _, *sections = re.split(r"^## (.+)$", index, flags=re.M)
    pairs = zip(sections[::2], sections[1::2], strict=True)
    return {heading: _ITEM.findall(text) for heading, text in pairs}


def with_cards(index: str, drawn: frozenset[str] | set[str]) -> str:
    """The index, its lists of scripts become cards that lead to their pages.

    Args:
      index: in Markdown.
      drawn: names of the examples that have a picture.
    """

    def card(match: re.Match[str]) -> str:
        title, name = match.groups()
        picture = f"![]({name}-card.webp){{ loading=lazy }} " if name in drawn else ""
        return f"-   [{picture}{title}]({name}.md)"

    parts = re.split(r"((?:^\* \[.+\]\(\w+\.py\)\n)+)", index, flags=re.M)
    for i in range(1, len(parts), 2):
        cards = _ITEM.sub(card, parts[i])
        parts[i] = f'<div class="grid cards gallery" markdown>\n\n{cards}\n</div>\n'
    return "".join(parts)
