"""The commands that the documentation shows are ones that can be given."""

import re
from pathlib import Path

import pytest
from documented import PAGES, ROOT, by_page, write_files

from uhseg_jax.cli import evaluate_flags, export_flags, segment_flags

HELP = ROOT / "uhseg_jax" / "cli" / "help"
NAMES = sorted(x.stem for x in HELP.glob("uhseg-*.txt"))


def shown(name, least):
    found = by_page(name)
    assert len(found) >= least, f"the documentation shows {name} {len(found)} times"
    return found


@pytest.fixture(autouse=True)
def files_of_pages(tmp_path, monkeypatch):
    """A folder with the files that pages show, and with the configs."""
    monkeypatch.chdir(tmp_path)
    for page in PAGES:
        write_files(page, tmp_path)
    (tmp_path / "configs").symlink_to(ROOT / "configs")


@pytest.mark.parametrize("name", NAMES)
def test_flags_are_in_the_help_of_their_command(name):
    text = (HELP / f"{name}.txt").read_text()
    for page, (_, *words) in by_page(name):
        for word in words:
            if flag := re.match(r"--?(\w+)", word):
                bare = flag[1].removeprefix("no")
                known = re.search(rf"--(\[no\])?({flag[1]}|{bare})\b", text)
                assert known, f"{page.name}: {name} {word}"


def test_segment_takes_what_is_shown():
    for _, words in shown("uhseg-segment", 15):
        if not {"-h", "--help"} & {*words}:
            values = segment_flags.parse(words)
            assert values.images or values.list or values.output == "regions"


def test_evaluate_takes_what_is_shown():
    for _, words in shown("uhseg-evaluate", 15):
        values = evaluate_flags.parse(words)
        assert values.images or Path(values.config).exists()


def test_export_takes_what_is_shown():
    for _, words in shown("uhseg-export", 12):
        values, results = export_flags.parse(words)
        assert values.format
        assert results
