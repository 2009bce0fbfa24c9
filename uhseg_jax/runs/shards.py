"""Which images of a run a process takes."""

import dataclasses
import re

__all__ = ["Share"]


@dataclasses.dataclass(frozen=True)
class Share:
    """One of several equal shares of a list of images: every so many-th of them.

    Neighbours in a folder are often alike and of one size, so shares that are
    interleaved take about equally long.

    Attributes:
      index: number of the share, from 0.
      count: how many shares there are.
    """

    index: int = 0
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> "Share":
        """The share that a text such as "3/100" names, the third of a hundred.

        Raises:
          ValueError: it names none.
        """
        match = re.fullmatch(r"(\d+)/(\d+)", text.strip())
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            raise ValueError(
                "expected a shard as NUMBER/COUNT with a number from 1 to COUNT, such "
                f"as 3/100, but got {text!r}."
            )
        return cls(int(match[1]) - 1, int(match[2]))

    def of(self, num_images: int) -> range:
        """The positions of its images in a list of so many."""
        return range(self.index, num_images, self.count)
