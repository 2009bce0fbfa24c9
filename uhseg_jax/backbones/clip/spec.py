"""What the text side of CLIP is: its encoder, and the space that images share with it.

Radford et al., "Learning Transferable Visual Models From Natural Language Supervision"
(2021).
"""

import dataclasses
from typing import Annotated

from uhseg_jax.backbones.spec_checks import COUNT, refuse
from uhseg_jax.backbones.text.spec import TextEncoderSpec
from uhseg_jax.validators import Validated

__all__ = ["TextSideSpec"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextSideSpec(Validated):
    """Everything of a CLIP but its image encoder.

    Attributes:
      text: the text encoder, with a projection to the shared space.
      image_width: channels of the image encoder, whose class token is projected there
        as well.

    Raises:
      ValueError: the text encoder has no projection.
    """

    text: TextEncoderSpec
    image_width: Annotated[int, COUNT] = 768

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.text.projection is None:
            refuse("the text side of CLIP", ["the text encoder needs a projection"])

    @property
    def patch(self) -> int:
        """0: it sees no image."""
        return 0

    @property
    def width(self) -> int:
        """Channels of the shared space."""
        assert self.text.projection is not None
        return self.text.projection
