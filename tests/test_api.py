import dataclasses
import doctest
import subprocess
import sys

import jax
import numpy as np
import pytest
from jax_versions import enable_x64
from PIL import Image

import uhseg_jax
from uhseg_jax import api, backbones, methods
from uhseg_jax.backbones import PatchRequest, loading
from uhseg_jax.methods import recursive_spectral
from uhseg_jax.pipeline import Segmenter

MODEL, METHOD = "dinov2_test", "recursive_spectral"
PATCH = backbones.get_variant(MODEL).spec.patch
CONFIG = dataclasses.replace(
    recursive_spectral.two_way(),
    request=PatchRequest(grid=6),
    num_superpixels=12,
    num_vectors=6,
)
PLAIN = {"model": MODEL, "method": METHOD, "config": CONFIG, "refine": "none"}


def photo(seed=0, *, height=50, width=70):
    rng = np.random.default_rng(seed)
    image = np.zeros((height, width, 3), np.uint8)
    image[:, width // 2 :] = (200, 40, 30)
    image[height // 3 :, : width // 3] = (20, 90, 220)
    return np.clip(image + rng.integers(0, 20, image.shape), 0, 255).astype(np.uint8)


def features(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def assert_same_tree(one, other):
    jax.tree.map(np.testing.assert_array_equal, one, other)


def test_labels_come_at_image_size_and_on_the_grid():
    tree = uhseg_jax.segment(
        photo(), model=MODEL, method=METHOD, config=CONFIG, refine="upsample"
    )
    grid = uhseg_jax.segment(
        photo(), model=MODEL, method=METHOD, config=CONFIG, grid=True
    )
    assert tree.labels.shape == (50, 70)
    assert grid.labels.shape == (6, 6)
    assert tree.labels.dtype == grid.labels.dtype == np.int32
    assert tree.labels[0, 0] == grid.labels[0, 0]
    assert tree.labels[-1, -1] == grid.labels[-1, -1]
    np.testing.assert_array_equal(np.unique(tree.labels), np.unique(grid.labels))


def test_paths_files_pil_images_and_arrays_give_the_same_tree(tmp_path):
    path = tmp_path / "image.png"
    Image.fromarray(photo()).save(path)
    with Image.open(path) as opened:
        trees = [
            uhseg_jax.segment(image, **PLAIN)
            for image in (path, str(path), path.read_bytes(), opened, photo())
        ]
    for tree in trees[1:]:
        assert_same_tree(tree, trees[0])


def test_segment_is_extraction_then_segment_features():
    found = uhseg_jax.extract_features(photo(), model=MODEL, image_size=6 * PATCH)
    by_features = uhseg_jax.segment_features(found, method=METHOD, config=CONFIG)
    whole = uhseg_jax.segment(
        photo(), model=MODEL, method=METHOD, config=CONFIG, grid=True
    )
    np.testing.assert_array_equal(
        by_features.cut(num_regions=3), whole.cut(num_regions=3)
    )


@pytest.mark.parametrize(
    "setting",
    [
        enable_x64(True),
        jax.default_matmul_precision("bfloat16"),
        jax.default_prng_impl("rbg"),
        jax.threefry_partitionable(False),
        jax.numpy_rank_promotion("raise"),
        jax.numpy_dtype_promotion("strict"),
        pytest.param(jax.debug_nans(True), marks=pytest.mark.slow),  # compiles anew
    ],
    ids=["x64", "precision", "keys", "partitions", "ranks", "dtypes", "nans"],
)
def test_results_do_not_depend_on_settings_of_the_process(setting):
    def results():
        tree = uhseg_jax.segment(photo(), **PLAIN)
        found = uhseg_jax.extract_features(photo(), model=MODEL, image_size=6 * PATCH)
        by_features = uhseg_jax.segment_features(found, method=METHOD, config=CONFIG)
        return tree, by_features, tree.cut(num_regions=3), tree.prune(depth=1), found

    wanted = results()
    with setting:
        loading._find.cache_clear()
        found = results()
    assert [x.dtype for x in jax.tree.leaves(found)] == [
        x.dtype for x in jax.tree.leaves(wanted)
    ]
    jax.tree.map(np.testing.assert_array_equal, found, wanted)


def test_features_on_a_device_give_the_tree_of_those_in_numpy():
    found = features(6, 6, 8)
    wanted = uhseg_jax.segment_features(found, method=METHOD, config=CONFIG)
    device = uhseg_jax.segment_features(
        jax.device_put(found), method=METHOD, config=CONFIG
    )
    assert_same_tree(device, wanted)
    half = jax.device_put(found).astype(jax.numpy.bfloat16)
    assert_same_tree(
        uhseg_jax.segment_features(half, method=METHOD, config=CONFIG),
        uhseg_jax.segment_features(
            np.asarray(half, np.float32), method=METHOD, config=CONFIG
        ),
    )


def test_a_batch_of_features_is_its_images_one_by_one():
    batch = features(3, 6, 6, 8)
    together = uhseg_jax.segment_features(batch, method=METHOD, config=CONFIG)
    assert together.is_batched
    assert together.labels.shape == (3, 6, 6)
    for tree, one in zip(together, batch, strict=True):
        assert_same_tree(
            tree, uhseg_jax.segment_features(one, method=METHOD, config=CONFIG)
        )


def test_a_tree_does_not_depend_on_its_neighbours_or_on_a_mesh():
    alone = Segmenter.create(**PLAIN)
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:1]), ("data",))
    images = [photo(seed, height=40 + 9 * seed) for seed in range(3)]
    batches = alone(images), dataclasses.replace(alone, mesh=mesh)(images)
    for image, *found in zip(images, *batches, strict=True):
        (one,) = alone([image])
        for segmentation in found:
            assert_same_tree(segmentation.tree, one.tree)
            assert_same_tree(segmentation.grid, one.grid)
    assert alone([]) == []
    assert alone.num_categories is None


def test_requests_that_the_model_cannot_answer_are_refused_at_once():
    config = dataclasses.replace(CONFIG, request=PatchRequest(blocks=(-99,)))
    with pytest.raises(ValueError, match="-99"):
        Segmenter.create(model=MODEL, method=METHOD, config=config)
    with pytest.raises(ValueError, match="diffusion_walk"):
        Segmenter.create(model="sd_test", method=METHOD)


def test_the_length_of_features_does_not_matter():
    found = features(6, 6, 8)
    trees = [
        uhseg_jax.segment_features(found * scale, method=METHOD, config=CONFIG)
        for scale in (np.float32(1), np.float32(2.0**60), np.float32(2.0**-70))
    ]
    found = found.astype(np.float64)  # beyond what float32 can hold
    trees += [
        uhseg_jax.segment_features(x, method=METHOD, config=CONFIG)
        for x in (found * 2.0**300, found * 2.0**-300, found.tolist())
    ]
    for tree in trees[1:]:
        np.testing.assert_array_equal(tree.labels, trees[0].labels)
    half = uhseg_jax.segment_features(
        found.astype(np.float16), method=METHOD, config=CONFIG
    )
    assert half.labels.shape == (6, 6)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (np.zeros((3, 4), np.float32), "shape"),
        (np.zeros((0, 4, 5), np.float32), "empty"),
        (np.ones((3, 4, 5), np.int32), "floating"),
        (np.full((3, 4, 5), np.nan, np.float32), "12 of 12 vectors hold NaN"),
        (np.full((3, 4, 5), np.inf, np.float32), "infinity"),
        (np.zeros((3, 4, 5), np.float32), "zero"),
        ([[[1.0, 2.0], [3.0]]], "expected features as an array"),
        ([1, 2], "shape"),
    ],
)
def test_features_that_cannot_be_cut_are_refused(bad, words):
    with pytest.raises(ValueError, match=words):
        uhseg_jax.segment_features(bad, method=METHOD)


def test_unknown_names_list_the_known_ones():
    with pytest.raises(ValueError, match="Did you mean 'recursive_spectral'"):
        uhseg_jax.segment_features(features(3, 3, 4), method="recursive_spectra")
    with pytest.raises(ValueError, match="dinov2_vits14_focus"):
        uhseg_jax.segment(photo(), model="dinov2_vits15")
    for function in (uhseg_jax.segment, uhseg_jax.extract_features):
        with pytest.raises(ValueError, match="dtype must be 'auto', 'float32' or"):
            function(photo(), dtype="float16")


def test_every_method_is_whole():
    for name, method in methods.METHODS.items():
        assert method.name == name
        assert method.summary[0].islower()
        assert hash(method.preset()) == hash(method.resolve_config(None))
        for preset in method.presets:
            assert isinstance(method.preset(preset), method.config)
        with pytest.raises(ValueError, match=", ".join(method.presets)):
            method.preset("best")
        with pytest.raises(ValueError, match=r"\.Config, but got builtins.dict"):
            method.resolve_config({"seed": 1})


def test_extract_features_follows_the_size_asked_for():
    spec = backbones.get_variant(MODEL).spec
    image = photo(height=3 * PATCH, width=5 * PATCH)
    for size, grid in (
        (4 * PATCH, (4, 4)),
        ((2 * PATCH, 6 * PATCH), (2, 6)),
        (None, (3, 5)),
    ):
        found = uhseg_jax.extract_features(
            image, model=MODEL, image_size=size, facet="key"
        )
        assert found.shape == (*grid, spec.width)
        assert found.dtype == np.float32


def test_sizes_and_facets_that_give_no_patch_features_are_refused():
    image = photo(height=PATCH + 1, width=PATCH)
    with pytest.raises(ValueError, match=str(PATCH)):
        uhseg_jax.extract_features(image, model=MODEL, image_size=None)
    for size in (0, -14, (PATCH, 0)):
        with pytest.raises(ValueError, match="image_size must be a side or a pair"):
            uhseg_jax.extract_features(image, model=MODEL, image_size=size)
    with pytest.raises(ValueError, match="forward_features"):
        uhseg_jax.extract_features(image, model=MODEL, facet="class_attention")
    with pytest.raises(ValueError, match="found 99"):  # of weights that are not here
        uhseg_jax.extract_features(image, model="dinov2_vitg14", block=99)
    for model in ("sd_v1_4", "clip_vitb16_text"):
        with pytest.raises(ValueError, match=f"{model} is none; .*self_attention_maps"):
            uhseg_jax.extract_features(image, model=model, image_size=64)


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (900, 3)])
def test_images_of_any_shape(shape):
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    assert uhseg_jax.segment(image, **PLAIN).labels.shape == shape


def test_examples_in_the_documentation_run():
    results = doctest.testmod(api)
    assert results.attempted > 0
    assert results.failed == 0


def test_in_a_loop_nothing_is_loaded_or_compiled_again():
    compiled = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda name, _, **about: "backend_compile" in name and compiled.append(about)
    )
    loading._find.cache_clear()

    def work(seed):
        uhseg_jax.segment(photo(seed), **PLAIN)
        uhseg_jax.segment_features(features(6, 6, 8, seed=seed))
        uhseg_jax.extract_features(photo(seed), model=MODEL, image_size=4 * PATCH)

    work(0)
    first = len(compiled)
    for seed in range(1, 4):
        work(seed)
    assert compiled[first:] == []
    assert loading._find.cache_info().misses == 1


def test_the_package_has_what_it_lists_and_no_more():
    assert {*uhseg_jax.__all__} <= {*dir(uhseg_jax)}
    assert all(hasattr(uhseg_jax, name) for name in uhseg_jax.__all__)
    assert not hasattr(uhseg_jax, "segmentation")
    assert uhseg_jax.methods is methods


def test_importing_the_package_is_light():
    code = (
        "import sys, uhseg_jax; "
        "assert 'numpy' not in sys.modules, 'it waits until something is used'; "
        "uhseg_jax.segment; "
        "print(*{m.split('.')[0] for m in sys.modules} & {'tensorflow', "
        "'tensorflow_datasets', 'matplotlib', 'pycocotools', 'huggingface_hub', "
        "'skimage', 'onnx', 'safetensors', 'torch', 'orbax', 'sklearn', 'scipy.stats'})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
