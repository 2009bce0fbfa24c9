"""A whole inversion and its way back against the models and schedulers of diffusers.

Weights go the way that published ones go: diffusers and transformers write a folder, it
is converted, kept and loaded. How far float32 may be off is measured, not guessed: the
reference runs in float64 and again in float32, and ours must be about as close to the
first as the second is.
"""

import copy

import jax
import numpy as np
import pytest
from diffusers_folder import MICRO
from test_autoencoder import reference as torch_autoencoder
from torch_diffusion import randomised, schedulers, text_encoder, torch
from torch_unets import torch_forward, torch_unet

from uhseg_jax.backbones import (
    VARIANTS,
    AttentionRequest,
    Backbone,
    Variant,
    convert_variant,
    load_backbone,
    read_prompt,
)
from uhseg_jax.backbones.diffusion.self_attention import denoise_latents, invert_latents
from uhseg_jax.backbones.diffusion.variants import SSD_TEST
from uhseg_jax.backbones.weights.sources import DiffusersSource

pytestmark = pytest.mark.parity

EPS = float(np.finfo(np.float32).eps)
# Two float32 programs are each as far from float64 as the other, give or take.
ROOM = 4
REQUEST = AttentionRequest(num_steps=3, schedule_steps=50)
PIXELS = np.random.default_rng(0).integers(0, 256, (1, 8, 12, 3), np.uint8)


def torch_models(spec):
    """The parts by the names of their folders."""
    models = {
        "unet": torch_unet(spec.unet),
        "vae": randomised(torch_autoencoder(spec.autoencoder)),
    }
    for index, encoder in enumerate(spec.text_encoders):
        name = "text_encoder" + (f"_{index + 1}" if index else "")
        models[name] = randomised(text_encoder(encoder))
    return models


def torch_prompt(spec, models):
    """Tokens and pooled text of the empty prompt."""
    tokens, pooled = [], None
    for index, encoder in enumerate(spec.text_encoders):
        ids = [encoder.start, encoder.end]
        ids += [encoder.padding] * (encoder.length - 2)
        model = models["text_encoder" + (f"_{index + 1}" if index else "")]
        out = model(input_ids=torch.tensor([ids]), output_hidden_states=True)
        skipped = encoder.skipped
        tokens.append(out.hidden_states[-2] if skipped else out.last_hidden_state)
        pooled = None if encoder.projection is None else out.text_embeds
    return torch.cat(tokens, dim=-1), pooled


@torch.no_grad()
def torch_inversion(spec, models, dtype):
    """Latents of the image, after every step, and the mean map of each resolution."""
    models = {name: copy.deepcopy(model).to(dtype) for name, model in models.items()}
    pixels = torch.tensor(PIXELS.transpose(0, 3, 1, 2).copy()).to(dtype)
    latents = models["vae"].encode(pixels / 127.5 - 1).latent_dist.mean
    latents = latents * models["vae"].config.scaling_factor
    context, _ = torch_prompt(spec, models)
    context = context.expand(len(PIXELS), -1, -1).numpy()
    up, down = schedulers(spec.schedule, REQUEST.schedule_steps, dtype)
    seen, sums = [latents], {}
    for scheduler, timesteps in (
        (up, up.timesteps[: REQUEST.num_steps]),
        (down, down.timesteps[-REQUEST.num_steps :]),
    ):
        for timestep in timesteps:
            predicted, maps = torch_forward(
                models["unet"],
                latents.permute(0, 2, 3, 1).numpy(),
                np.full(len(PIXELS), int(timestep)),
                context,
                None,
            )
            predicted = torch.tensor(predicted.transpose(0, 3, 1, 2).copy())
            latents = scheduler.step(predicted, timestep, latents).prev_sample
            seen.append(latents)
            if scheduler is down:
                for map_ in maps.values():
                    sums.setdefault(map_.shape[-1], []).append(map_)
    latents = [x.permute(0, 2, 3, 1).numpy() for x in seen]
    return latents, {n: np.mean(maps, axis=0) for n, maps in sums.items()}


def loaded(spec, models, tmp_path, monkeypatch) -> Backbone:
    """What users get of a folder that diffusers and transformers wrote."""
    for part, model in models.items():
        model.save_pretrained(tmp_path / "published" / part)
    source = DiffusersSource(repository="somebody/tiny", parts=tuple(models))
    variant = Variant(name="tiny", spec=spec, source=source, licence="MIT")
    monkeypatch.setitem(VARIANTS._entries, variant.name, variant)
    cache = tmp_path / "cache"
    convert_variant(variant, directory=cache, file=tmp_path / "published")
    return load_backbone(variant.name, checkpoint_dir=cache, dtype="float32")


def test_an_inversion_and_its_way_back_are_diffusers(
    tmp_path, monkeypatch, record_property
):
    models = torch_models(MICRO)
    backbone = loaded(MICRO, models, tmp_path, monkeypatch)
    module = backbone.module

    @jax.jit
    def walk(params, pixels, prompt):
        latents = module.apply({"params": params}, pixels, method="encode")
        top = invert_latents(module, params, latents, prompt, request=REQUEST)
        back, sums = denoise_latents(module, params, top, prompt, request=REQUEST)
        return (latents, top, back), sums

    found, sums = walk(backbone.params, PIXELS, read_prompt(backbone))
    expected, maps = torch_inversion(MICRO, models, torch.float64)
    their_latents, their_maps = torch_inversion(MICRO, models, torch.float32)
    assert len(expected) == 1 + 2 * REQUEST.num_steps
    report = {}
    stages = {"encoded": 0, "inverted": REQUEST.num_steps, "returned": -1}
    pairs = {
        stage: (ours, expected[index], their_latents[index])
        for (stage, index), ours in zip(stages.items(), found, strict=True)
    }
    for cells, (total, count, *_) in sums.items():
        n = cells[0] * cells[1]
        ours = np.asarray(total) / int(count)
        pairs[f"maps {cells}"] = (ours, maps[n], their_maps[n])
    assert len(pairs) == len(stages) + len(maps)
    for stage, (ours, exact, theirs) in pairs.items():
        largest = np.abs(exact).max()
        mine = np.abs(np.asarray(ours) - exact).max() / largest / EPS
        other = np.abs(theirs - exact).max() / largest / EPS
        report[stage] = (round(float(mine), 1), round(float(other), 1))
        assert mine <= ROOM * max(other, 1.0), (stage, report)
    record_property("ulps", report)
    # The way back ends near where the way up began, and not where it ended.
    start, top, back = (np.asarray(x) for x in found)
    assert np.abs(back - start).max() < np.abs(top - start).max()


def test_the_prompt_of_two_encoders_is_diffusers(tmp_path, monkeypatch):
    models = torch_models(SSD_TEST)
    backbone = loaded(SSD_TEST, models, tmp_path, monkeypatch)
    found = read_prompt(backbone)
    with torch.no_grad():
        tokens, pooled = torch_prompt(SSD_TEST, models)
    for ours, theirs in ((found.tokens, tokens), (found.pooled, pooled)):
        largest = float(theirs.abs().max())
        # Two blocks and a projection of some dozen roundings each.
        assert np.abs(np.asarray(ours) - theirs.numpy()).max() <= 40 * EPS * largest
