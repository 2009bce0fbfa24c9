"""What a text encoder of CLIP is: the fields that tell one from another."""

import dataclasses
from typing import Annotated, Literal, get_args

from uhseg_jax.backbones.spec_checks import COUNT, refuse, unshared
from uhseg_jax.validators import POSITIVE, Validated, integer, one_of, optional

__all__ = ["TEXT_MLP_RULES", "TextEncoderSpec", "TextMlpRule"]

TextMlpRule = Literal["quick_gelu", "gelu"]
TEXT_MLP_RULES: tuple[str, ...] = get_args(TextMlpRule)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextEncoderSpec(Validated):
    """The text encoder of CLIP.

    Attributes:
      vocabulary: number of tokens that there are.
      width: channels of a token.
      depth: number of blocks.
      heads: attention heads.
      length: tokens of a prompt, shorter ones padded.
      mlp: activation; ``"quick_gelu"`` is x sigmoid(1.702 x).
      norm_epsilon: added to the variance in every norm.
      start: id of the token that begins a prompt.
      end: id of the token that ends it.
      padding: id of the token that fills the rest.
      skipped: last blocks that are left out together with the final norm (SDXL takes
        the tokens before the last block as they are); 0: none, with the final norm.
      projection: channels of the pooled, projected end token; None where there is none.

    Raises:
      ValueError: a field is out of range, or several do not go together.
    """

    vocabulary: Annotated[int, COUNT] = 49408
    width: Annotated[int, COUNT] = 768
    depth: Annotated[int, COUNT] = 12
    heads: Annotated[int, COUNT] = 12
    length: Annotated[int, integer(2)] = 77
    mlp: Annotated[TextMlpRule, one_of(*TEXT_MLP_RULES)] = "quick_gelu"
    norm_epsilon: Annotated[float, POSITIVE] = 1e-5
    start: int = 49406
    end: int = 49407
    padding: int = 49407
    skipped: Annotated[int, integer(0)] = 0
    projection: Annotated[int | None, optional(COUNT)] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        problems = unshared((self.width,), "heads", (self.heads,))
        if self.skipped >= self.depth:
            problems.append(
                f"skipped must leave one of {self.depth} blocks, found {self.skipped}"
            )
        problems += [
            f"{name} must be the id of one of {self.vocabulary} tokens, found {token}"
            for name in ("start", "end", "padding")
            if not 0 <= (token := getattr(self, name)) < self.vocabulary
        ]
        refuse("a text encoder", problems)
