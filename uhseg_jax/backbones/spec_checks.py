"""What specifications of models check alike."""

from uhseg_jax.validators import integer

__all__ = ["COUNT", "refuse", "unshared"]

COUNT = integer(1)


def unshared(widths: tuple[int, ...], name: str, parts: tuple[int, ...]) -> list[str]:
    """What is wrong where groups or heads share channels evenly."""
    return [
        f"{part} {name} do not share {width} channels"
        for width, part in zip(widths, parts, strict=True)
        if width % part
    ]


def refuse(what: str, problems: list[str]) -> None:
    """Raises one ValueError of all problems."""
    if problems:
        raise ValueError(f"Not {what}: {'; '.join(problems)}.")
