"""Parameters kept as a checkpoint, without a model."""

from pathlib import Path

from uhseg_jax.backbones.weights.checkpoints import save_params


def save(directory: Path, params, **kwargs) -> Path:
    return save_params(
        params,
        variant="tiny",
        source="somewhere",
        source_sha256="0" * 64,
        directory=directory,
        **kwargs,
    )
