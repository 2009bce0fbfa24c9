import re
from pathlib import Path

import pytest

from uhseg_jax import backbones, methods
from uhseg_jax.cli.config_files import freeze, read_config
from uhseg_jax.datasets.registry import DATASETS

CONFIGS = sorted((Path(__file__).parents[1] / "configs").glob("*.py"))
each = pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)


@each
def test_configs_name_things_that_exist(path):
    config = read_config(path)
    assert config.dataset in DATASETS
    assert config.split
    backbones.get_variant(config.model)
    assert isinstance(config.parameters, methods.METHODS[config.method].config)
    assert hash(config.parameters) == hash(read_config(path).parameters)


# One of every family, and of every patch size.
MODELS = ("dinov2_vits14", "dinov3_vits16", "dino_vits8", "clip_vitl14", "sd_v1_4")


@pytest.mark.parametrize("model", MODELS)
@each
def test_a_config_means_the_same_patches_of_every_backbone(path, model):
    request = read_config(path).parameters.request
    spec = backbones.get_variant(model).spec
    family = backbones.family_of(spec)
    if model == "sd_v1_4" and not isinstance(request, backbones.AttentionRequest):
        with pytest.raises(ValueError, match="expected a Vision Transformer"):
            family.resolve(spec, request)
        return
    resolved = family.resolve(spec, request)
    size = family.image_size(spec, resolved)
    assert tuple(side // spec.patch for side in size) == resolved.grid
    if request.grid is not None:
        assert resolved.grid == backbones.grid_shape(request.grid)


@each
def test_a_config_says_its_command_and_whose_number_it_is(path):
    text = path.read_text().split('"""')[1]
    assert f"--config=configs/{path.stem}.py" in text
    assert re.search(r"[Pp]ublished|measured\.md", text)
    assert re.search(r"[Nn]ot measured|measured\.md|do not have", text)


def test_unknown_parameters_are_named():
    with pytest.raises(ValueError, match="colour"):
        freeze({"colour": "red"}, methods.METHODS["recursive_spectral"].config)
