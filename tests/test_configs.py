import re
from pathlib import Path

import pytest

from uhseg_jax import backbones, methods
from uhseg_jax.cli import config_files
from uhseg_jax.cli.config_files import ConfigError, find_config, freeze, read_config
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
    assert re.search(r"[Nn]ot measured|numbers/\w+\.md|do not have", text)


def test_configs_are_found_by_their_names_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ours = CONFIGS[0].parent / "voc2012.py"
    for name in ("voc2012", "configs/voc2012.py"):
        assert find_config(name).samefile(ours)
    own = Path("configs/voc2012.py")  # a file of one's own comes first
    own.parent.mkdir()
    own.touch()
    assert find_config(own).samefile(tmp_path / own)
    for name in ("voc2021", "elsewhere/voc2012.py", "/voc2012"):
        with pytest.raises(ConfigError, match=r"ade20k, .*Did you mean 'voc2012'\?"):
            find_config(name)


def test_installed_configs_are_in_the_package(tmp_path, monkeypatch):
    package = tmp_path / "uhseg_jax"
    for folder in (package, tmp_path):  # the second is another package's
        (folder / "configs").mkdir(parents=True)
        (folder / "configs" / "voc2012.py").touch()
    monkeypatch.setattr(config_files, "_PACKAGE", package)
    assert find_config("voc2012") == package / "configs" / "voc2012.py"


def test_unknown_parameters_are_named():
    with pytest.raises(ValueError, match="colour"):
        freeze({"colour": "red"}, methods.METHODS["recursive_spectral"].config)
