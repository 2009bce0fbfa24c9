"""How a command line that segments is read, and what it may not say."""

import re

import jax
import pytest
from segment_command import (
    segment,
)

from uhseg_jax import batches, methods
from uhseg_jax.cli.flags import refinement_of
from uhseg_jax.cli.overrides import UsageError
from uhseg_jax.cli.segment import main
from uhseg_jax.cli.segment_flags import batch_size_of, config_of, parse
from uhseg_jax.refinement.config import Refinement


@pytest.mark.parametrize(
    ("arguments", "status", "sentences"),
    [
        (["--model=dinov2"], 1, ["unknown model 'dinov2'", "dinov2_vits14_focus"]),
        (["--method=kmeans"], 1, ["unknown method 'kmeans'", "recursive_spectral"]),
        (["--images=nowhere.jpg"], 1, ["nowhere.jpg: there is no such file"]),
        (["--grid=big"], 2, ["grid expects", "'big'"]),
        (["--grid=0"], 2, ["grid must be", "is 0"]),
        (["--levels=4,zero"], 2, ["--levels expects", "4,zero"]),
        (["--bands=1,2"], 2, ["--bands expects", "such as 1,2,3", "'1,2'"]),
        (["--bands=0,1,2"], 2, ["--bands expects", "'0,1,2'"]),
        (["--image_memory=0"], 2, ["image_memory"]),
        (["--format=pdf"], 2, ["--format expects some of png,labels", "'pdf'"]),
        (["--format=masks"], 2, ["'masks'. For masks run uhseg-export on the results"]),
        (["--format=labls,npz"], 2, ["'labls'. Did you mean 'labels'?"]),
        (["--format=mask"], 2, ["'mask'. Did you mean 'masks'?"]),
        (
            ["--nooverwrite=false"],
            2,
            ["--nooverwrite=false does not take an", "--help"],
        ),
        (["--batch_size=0"], 2, ["batch_size"]),
        (["--dtype=float16"], 2, ["dtype", "auto|float32|bfloat16"]),
        (["--output="], 2, ["--output expects a folder"]),
        (["--output", ""], 2, ["--output expects a folder"]),
        (["--shard=0/5"], 2, ["--shard: expected", "such as 3/100", "'0/5'"]),
        (["--shard=6/5"], 2, ["number from 1 to COUNT", "'6/5'"]),
        (["--shard=a"], 2, ["NUMBER/COUNT", "'a'"]),
        (["--shard=1/2", "--join"], 2, ["--shard does not go with --join"]),
        (["--shard=1/2", "--format=coco"], 2, ["--shard needs npz"]),
        (["--join", "--overwrite"], 2, ["--join does not go with --overwrite"]),
        (
            ["--shard=1/2", "--method=multilevel_clustering"],
            2,
            ["--method=multilevel_clustering", "in one process"],
        ),
        (["--config.num_superpixels=0"], 2, ["num_superpixels must be", "is 0"]),
        (["--imags=x"], 2, ["Unknown command line flag 'imags'", "images"]),
        (["--config.contrats=4"], 2, ["no parameter 'contrats'", "'contrast'?"]),
        (["--config.contrast=high"], 2, ["--config.contrast expects float", "'high'"]),
        (["--config.contrast", "4"], 2, ["--config.NAME=VALUE"]),
        (["--config.rule=other"], 2, ["rule must be", "'two_way'"]),
        (["--config.request.blocks=-9"], 1, ["has 3 blocks"]),
    ],
)
def test_mistakes_are_one_sentence(out, arguments, status, sentences, capsys):
    assert segment(*arguments, output=out) == status
    said = capsys.readouterr()
    assert said.out == ""
    message = said.err.splitlines()[-1]
    for sentence in sentences:
        assert sentence in message


def test_values_of_parameters_are_read_by_their_types():
    def config(*arguments):
        command = ["uhseg-segment", "--method=recursive_spectral"]
        return config_of(parse([*command, *arguments]))

    read = config("--config.request.blocks=-1,-2", "--config=seed=3", "--grid=4x5")
    assert read.seed == 3
    assert (read.request.blocks, read.request.grid) == ((-1, -2), (4, 5))
    read = config("--config.request.normed=True", "--config.contrast=4", "--grid=4")
    assert (read.request.normed, read.request.grid) == (True, 4)
    assert isinstance(read.contrast, float)
    assert config("--config.request.normed=none").request.normed is None
    assert config("--config.max_regions=5").max_regions == 5
    assert config("--max_regions=5") == config()
    assert config() == methods.METHODS["recursive_spectral"].preset()


def test_a_refinement_is_named_and_its_parameters_are_read():
    def refinement(*arguments, method="recursive_spectral"):
        return refinement_of(parse(["uhseg-segment", *arguments]), method=method)

    assert refinement() == Refinement()
    read = refinement("--refine=pamr", "--min_area=0.01", "--connected")
    assert (read.name, read.min_area, read.connected) == ("pamr", 0.01, True)
    read = refinement(
        "--refinement.kernel=joint",
        "--refinement.crf.iterations=5",
        "--refinement.pamr.dilations=1,2",
        "--refinement.pamr.num_iterations=3",
    ).to_dict()
    assert (read["refiners"], read["kernel"]) == ("pamr,crf", "joint")
    assert read["crf"]["iterations"] == 5
    assert (read["pamr"]["dilations"], read["pamr"]["num_iterations"]) == ((1, 2), 3)
    multilevel = {"method": "multilevel_clustering"}  # has one of its own
    assert refinement(**multilevel).name == "upsample"
    assert refinement("--refine=pamr", **multilevel).name == "pamr"
    for flag, sentence in {
        "--refine=crt": "crt",
        "--refinement.refiners=crf": "--refine=pamr,crf",
        "--min_area=2": "min_area",
        "--refinement.colour=1": "no parameter 'colour'",
        "--refinement.crf.colour=1": "--refinement.crf: there is no parameter",
        "--refinement.temperature=0": "temperature must be",
    }.items():
        with pytest.raises(UsageError, match=re.escape(sentence)):
            refinement(flag)


def test_help_shows_every_flag(capsys):
    assert main(["uhseg-segment", "--help"]) == 0
    said = capsys.readouterr().out
    for name in set(parse(["uhseg-segment"])) - {"h"}:
        assert re.search(rf"--(\[no\])?{name}:", said)
    assert len(list(parse(["uhseg-segment"]))) > 20


@pytest.mark.parametrize(
    ("arguments", "images", "devices", "size"),
    [([], 8, 4, 32), ([], 1, 4, 4), (["--batch_size=2"], 8, 1, 2)],
)
def test_every_device_has_a_group_unless_the_flag_says_otherwise(
    monkeypatch, arguments, images, devices, size
):
    monkeypatch.setattr(batches, "images_at_once", lambda: images)
    monkeypatch.setattr(jax, "local_device_count", lambda: devices)
    assert batch_size_of(parse(["uhseg-segment", *arguments])) == size
