"""What the README and the pages of docs/ show: their blocks of code, by language."""

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = (README, *sorted((ROOT / "docs").rglob("*.md")))


def blocks(path, language):
    """The blocks of one page in the order in which they stand there."""
    return re.findall(rf"^```{language}\n(.*?)^```$", path.read_text(), re.M | re.S)


def commands(path, name):
    """The commands of one name that a page shows, as lists of words."""
    lines = [
        line
        for block in blocks(path, "sh")
        for line in block.replace("\\\n", " ").splitlines()
    ]
    words = [shlex.split(line, comments=True) for line in lines]
    return [x for x in words if x and x[0] == name]


def by_page(name):
    """Every command of one name, with the page that shows it."""
    return [(path, words) for path in PAGES for words in commands(path, name)]


def write_files(path, folder):
    """Writes the files that a page shows, each under the name it begins with."""
    for block in blocks(path, "python"):
        if name := re.match(r"# (\w+\.py)\n", block):
            (folder / name[1]).write_text(block)
