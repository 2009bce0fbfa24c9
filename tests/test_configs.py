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


@each
def test_a_config_says_its_command_and_whose_number_it_is(path):
    text = path.read_text().split('"""')[1]
    assert f"--config=configs/{path.stem}.py" in text
    assert re.search(r"[Pp]ublished|README", text)
    assert re.search(r"[Nn]ot measured|README|not at hand", text)


def test_unknown_parameters_are_named():
    with pytest.raises(ValueError, match="colour"):
        freeze({"colour": "red"}, methods.METHODS["recursive_spectral"].config)


def test_the_readme_has_no_figure_left_to_fill_in():
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    assert not re.search(r"MEASURED_|TODO|XXX", readme)
