import copy
import dataclasses
import pickle

import jax
import pytest

from uhseg_jax.backbones import (
    VARIANTS,
    ViTSpec,
    get_variant,
    load_backbone,
    num_parameters,
)
from uhseg_jax.backbones.vit.model import abstract_params
from uhseg_jax.backbones.weights.sources import DiffusersSource, HubSource, UrlSource

# Parameters as the authors and the model cards count them, without heads. The mask
# token of masked training is no part of ours: `masked` says whether they count it.
PUBLISHED = {
    "dinov2_vits14": (22_056_576, True),
    "dinov2_vits14_reg": (22_058_112, True),
    "dinov2_vitb14": (86_580_480, True),
    "dinov2_vitb14_reg": (86_583_552, True),
    "dinov2_vitl14": (304_368_640, True),
    "dinov2_vitl14_reg": (304_372_736, True),
    "dinov2_vitg14": (1_136_480_768, True),
    "dinov2_vitg14_reg": (1_136_486_912, True),
    "dinov3_vits16": (21_596_544, True),
    "dinov3_vits16plus": (28_692_864, True),
    "dinov3_vitb16": (85_660_416, True),
    "dinov3_vitl16": (303_129_600, True),
    "dino_vits16": (21_665_664, False),
    "dino_vits8": (21_670_272, False),
    "dino_vitb16": (85_798_656, False),
    "dino_vitb8": (85_807_872, False),
    # Less the classifier of 1,000 classes.
    "deit_vits16": (22_050_664 - 385_000, False),
    "deit_vitb16": (86_567_656 - 769_000, False),
    "mae_vitb16": (85_798_656, False),
    "mocov3_vits16": (21_665_664, False),
    "mocov3_vitb16": (85_798_656, False),
    # Less the projection to the space of texts.
    "clip_vitb32": (87_849_216 - 768 * 512, False),
    "clip_vitb16": (86_192_640 - 768 * 512, False),
    "clip_vitl14": (303_966_208 - 1024 * 768, False),
}
# Stable Diffusion and its kin; tests/backbones/diffusion/test_model.py counts these.
DIFFUSION = ("sd_v1_4", "sd_v1_5", "sd_v2_1_base", "sd_v2_1", "ssd_1b")
WHEELS = ("dinov2_vits14_focus", "dinov2_vits14_reg_mri")
TESTS = sorted(name for name in VARIANTS if name.endswith("_test"))


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameter_counts_are_the_published_ones(name):
    count, masked = PUBLISHED[name]
    spec = VARIANTS[name].spec
    assert num_parameters(spec) == count - masked * spec.width


def test_every_variant_has_a_known_count_or_random_weights():
    assert set(VARIANTS) == {*PUBLISHED, *DIFFUSION, *TESTS, *WHEELS}
    for name, variant in VARIANTS.items():
        assert variant.name == name
        assert (variant.source is None) == (name in TESTS)


def test_random_weights_are_small_and_the_same_every_time():
    for name in TESTS:
        spec = VARIANTS[name].spec
        if isinstance(spec, ViTSpec):
            assert num_parameters(spec) < 100_000
        else:
            assert VARIANTS[name].parameters < 500_000
    first = load_backbone("dinov2_test", dtype="float32")
    second = load_backbone("dinov2_test", dtype="bfloat16")
    assert first.weights_sha256 == second.weights_sha256


def test_copies_of_models_of_the_package_are_those_models():
    for variant in VARIANTS.values():
        assert get_variant(pickle.loads(pickle.dumps(variant))) == variant
        assert not get_variant(copy.deepcopy(variant)).code_sha256
    other = dataclasses.replace(VARIANTS["dinov2_test"], licence="MIT")
    with pytest.raises(ValueError, match="a model of the package is called"):
        get_variant(other)


def test_a_specification_that_cannot_be_hashed_is_refused_in_a_sentence(tmp_path):
    code = """
import dataclasses
from uhseg_jax.backbones import Variant

@dataclasses.dataclass
class Spec:
    patch: int = 8
    width: int = 3

MINE = Variant(name="mine", spec=Spec(), source=None)
"""
    file = tmp_path / "mine.py"
    file.write_text(code)
    sentence = r"mine: expected a \w+ that is hashable, .*dataclass\(frozen=True\)"
    with pytest.raises(ValueError, match=rf"^{file}: {sentence}"):
        get_variant(f"{file}:MINE")
    exec(code, given := {"__name__": __name__})
    with pytest.raises(ValueError, match=f"^{sentence}"):
        get_variant(given["MINE"])


def test_patch_and_grid_make_the_published_training_size():
    sizes = {
        name: VARIANTS[name].spec.patch * VARIANTS[name].spec.native_grid
        for name in PUBLISHED
    }
    for name, size in sizes.items():
        assert size == (518 if name.startswith("dinov2") else 224), name


def test_sources_are_whole():
    for variant in VARIANTS.values():
        source = variant.source
        if isinstance(source, HubSource):
            owner, name = source.repository.split("/")
            assert owner in ("facebook", "openai")
            assert name == name.lower()
        elif isinstance(source, DiffusersSource):
            assert len(source.repository.split("/")) == 2
        elif isinstance(source, UrlSource):
            assert source.url.startswith("https://")
            assert str(source) == source.url
        assert variant.licence


def test_variants_differ_where_the_papers_say():
    def values(field):
        return {getattr(VARIANTS[name].spec, field) for name in PUBLISHED}

    assert values("mlp") == {"gelu", "quick_gelu", "swiglu"}
    assert values("norm_epsilon") == {1e-5, 1e-6}
    assert values("positions") == {"offset", "size", "size_antialias", "rotary"}
    assert len(values("mean")) == len(values("std")) == 2


def test_abstract_parameters_are_those_of_the_whole_model():
    # They repeat the block that is traced.
    for name in ("dinov2_reg_test", "dinov3_plus_test"):
        params = load_backbone(name, dtype="float32").params
        found = jax.tree.map(lambda x: (x.shape, x.dtype), params)
        abstract = abstract_params(VARIANTS[name].spec)
        assert found == jax.tree.map(lambda x: (x.shape, x.dtype), abstract)


def names_of(name: str) -> set[str]:
    params = abstract_params(VARIANTS[name].spec)
    paths, _ = jax.tree_util.tree_flatten_with_path(params)
    names = {
        jax.tree_util.keystr(path, simple=True, separator="/") for path, _ in paths
    }
    return {path for path in names if not path.startswith(("block00", "block01"))}


def test_names_in_the_parameter_tree_stay_what_checkpoints_hold():
    linears = ("attention/query", "attention/key", "attention/value")
    linears += ("attention/output", "mlp/fc1", "mlp/fc2")
    expected = {f"block02/{name}/{x}" for name in linears for x in ("kernel", "bias")}
    norms = ("norm", "block02/norm1", "block02/norm2")
    expected |= {f"{name}/{x}" for name in norms for x in ("scale", "bias")}
    expected |= {"patch_embed/kernel", "patch_embed/bias", "class_token"}
    positions = {"positions", "class_position"}
    scales = {"block02/scale1/gamma", "block02/scale2/gamma"}
    assert names_of("dinov2_test") == expected | positions | scales
    assert names_of("dinov2_reg_test") == expected | positions | scales | {"registers"}
    assert names_of("dino_test") == expected | positions
    keys = {"block02/attention/key/bias"}
    assert names_of("dinov3_test") == (expected - keys) | scales | {"registers"}
    clip = {"embedding_norm/scale", "embedding_norm/bias"}
    assert names_of("clip_test") == (expected | positions | clip) - {"patch_embed/bias"}
    gates = {"block02/mlp/gate/kernel", "block02/mlp/gate/bias"}
    assert names_of("dinov2_swiglu_test") == expected | positions | scales | gates
