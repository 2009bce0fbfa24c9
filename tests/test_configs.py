import importlib.util
import re
from pathlib import Path

import pytest

from uhseg_jax import backbones, methods
from uhseg_jax.cli.config_files import freeze
from uhseg_jax.datasets.registry import DATASETS

CONFIGS = sorted((Path(__file__).parents[1] / "configs").glob("*.py"))


def module(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_configs_name_things_that_exist(path):
    config = module(path).get_config()
    assert config.dataset in DATASETS
    assert config.split
    backbones.get_variant(config.model)
    method = methods.METHODS.find(config.method)
    frozen = freeze(config.parameters, method.config)
    assert isinstance(frozen, method.config)
    assert hash(frozen) == hash(freeze(config.parameters, method.config))


# One of every family, and of every patch size.
MODELS = ("dinov2_vits14", "dinov3_vits16", "dino_vits8", "clip_vitl14", "sd_v1_4")


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_config_means_the_same_patches_of_every_backbone(path, model):
    config = module(path).get_config()
    cls = methods.METHODS.find(config.method).config
    request = freeze(config.parameters, cls).request
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


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_config_says_its_command_and_whose_number_it_is(path):
    text = module(path).__doc__
    assert f"--config=configs/{path.stem}.py" in text
    assert re.search(r"[Pp]ublished|README", text)
    assert re.search(r"[Nn]ot measured|README|not at hand", text)


def test_unknown_parameters_are_named():
    config = module(CONFIGS[0]).get_config()
    parameters = config.parameters.copy_and_resolve_references()
    parameters.unlock()
    parameters.colour = "red"
    with pytest.raises(ValueError, match="colour"):
        freeze(parameters, methods.METHODS.find(config.method).config)


def test_the_readme_has_no_figure_left_to_fill_in():
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    assert not re.search(r"MEASURED_|TODO|XXX", readme)
