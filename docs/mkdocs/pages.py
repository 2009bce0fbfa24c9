"""Pages that are files at the repository's root."""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
ROOT_FILES = {"CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Called by MkDocs once it knows the files below docs/."""
    for name, page in ROOT_FILES.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / name)))
    return files
