import dataclasses

import pytest

from uhseg_jax.backbones.diffusion.spec import (
    AutoencoderSpec,
    DiffusionSpec,
    ScheduleSpec,
    UNetSpec,
)
from uhseg_jax.backbones.diffusion.variants import (
    SD_TEST,
    SD_V1,
    SD_V2,
    SD_V2_BASE,
    SSD_1B,
    SSD_TEST,
)
from uhseg_jax.backbones.text.spec import TextEncoderSpec


def test_all_that_is_wrong_with_a_u_net_is_said_at_once():
    with pytest.raises(ValueError, match="Not a denoising U-Net") as caught:
        UNetSpec(channels=(5, 640), heads=(8,), added_width=1536, size_width=257)
    for problem in (
        "heads must have an entry for each of 2 levels, found 1",
        "down_depths must have an entry for each of 2 levels, found 4",
        "up_depths must have an entry for each of 2 levels, found 4",
        "channels[0] must be even for sines and cosines, found 5",
        "size_width must be even for sines and cosines, found 257",
        "added_width must be more than the 1542 channels of the sizes, found 1536",
    ):
        assert problem in str(caught.value)


def test_parts_of_a_u_net_that_do_not_go_together_are_named():
    with pytest.raises(ValueError, match="Not a denoising U-Net") as caught:
        UNetSpec(
            channels=(48, 66),
            heads=(5, 6),
            down_depths=((1, 1), (0, 0)),
            up_depths=((0, 0, 0), (1, 1)),
        )
    for problem in (
        "32 groups do not share 48 channels",
        "32 groups do not share 66 channels",
        "5 heads do not share 48 channels",
        "up_depths[1] must have one entry more than down_depths[0] (3), found 2",
    ):
        assert problem in str(caught.value)
    assert "6 heads" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "fields", "problem"),
    [
        (UNetSpec, {"down_depths": ((-1,),) * 4}, "down_depths must be .*at least 0"),
        (UNetSpec, {"channels": ()}, "channels must be one or more integers"),
        (UNetSpec, {"middle_depth": 0}, "middle_depth must be .*at least 1 or None"),
        (UNetSpec, {"context_width": 0}, "context_width must be .* of at least 1"),
        (UNetSpec, {"norm_epsilon": 0.0}, "norm_epsilon must be a .* above 0"),
        (AutoencoderSpec, {"channels": ()}, "channels must be one or more integers"),
        (AutoencoderSpec, {"groups": 48}, "48 groups do not share 128 channels"),
        (AutoencoderSpec, {"scaling": 0.0}, "scaling must be a finite number above 0"),
        (TextEncoderSpec, {"heads": 5}, "5 heads do not share 768 channels"),
        (TextEncoderSpec, {"skipped": 12}, "skipped must leave one of 12 blocks"),
        (TextEncoderSpec, {"end": 49408}, "end must be the id of one of 49408 tokens"),
        (TextEncoderSpec, {"projection": 0}, "projection must be .* of at least 1"),
        (ScheduleSpec, {"beta_end": 0.0}, "beta_start and beta_end must rise"),
        (DiffusionSpec, {"image_size": 500}, "must be a multiple of 64, found 500"),
    ],
)
def test_a_field_out_of_range_is_refused(kind, fields, problem):
    with pytest.raises(ValueError, match=problem):
        kind(**fields)


def test_parts_of_a_model_that_do_not_fit_together_are_named():
    with pytest.raises(ValueError, match="Not a latent diffusion model") as caught:
        DiffusionSpec(
            unet=dataclasses.replace(SSD_1B.unet, latent_channels=8),
            text_encoders=(
                TextEncoderSpec(length=76),
                TextEncoderSpec(projection=640),
            ),
        )
    for problem in (
        "takes latents of 8 channels and the autoencoder makes 4",
        "takes text of 2048 channels and the text encoders make 1536",
        "takes a pooled text of 1280 channels and the text encoders make 640",
        "prompts of different lengths",
    ):
        assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "patch", "multiple", "pooled"),
    [
        (SD_V1, 8, 64, 0),
        (SD_V2_BASE, 8, 64, 0),
        (SD_V2, 8, 64, 0),
        (SSD_1B, 8, 32, 1280),
        (SD_TEST, 8, 32, 0),
        (SSD_TEST, 8, 16, 16),
    ],
)
def test_sides_halve_as_often_as_they_have_levels(spec, patch, multiple, pooled):
    assert (spec.patch, spec.multiple, spec.unet.pooled_width) == (
        patch,
        multiple,
        pooled,
    )


def test_heads_of_the_second_generation_have_64_channels_everywhere():
    for spec in (SD_V2.unet, SSD_1B.unet):
        widths = zip(spec.channels, spec.heads, strict=True)
        assert {width // heads for width, heads in widths} == {64}
