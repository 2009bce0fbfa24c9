"""Pages that are files at the repository's root."""

from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
ROOT_FILES = {"CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}


def pages_of(nav: Any) -> list[str]:
    """The files that a nav names."""
    if isinstance(nav, str):
        return [nav]
    parts = nav.values() if isinstance(nav, dict) else nav
    return [page for part in parts for page in pages_of(part)]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the files of the root, and empty pages where the nav's are not written."""
    for name, page in ROOT_FILES.items():
        if (ROOT / name).exists():
            path = str(ROOT / name)
            files.append(File.generated(config, page, abs_src_path=path))
    for page in pages_of(config.nav):
        if not files.get_file_from_path(page):
            text = f"# {Path(page).stem}\n\nThis page is not written.\n"
            files.append(File.generated(config, page, content=text))
    return files
