import dataclasses
import doctest
import subprocess
import sys
import types

import jax
import numpy as np
import pytest
from PIL import Image

import uhseg_jax
from uhseg_jax import backbones, extraction, methods, pipeline
from uhseg_jax.methods import recursive_spectral

MODEL = "dinov2_test"
PATCH = backbones.get_variant(MODEL).spec.patch
CONFIG = dataclasses.replace(
    recursive_spectral.default(),
    image_size=6 * PATCH,
    blocks=(-2, -1),
    num_superpixels=16,
    num_vectors=6,
)


def picture(seed=0, *, height=50, width=70):
    rng = np.random.default_rng(seed)
    image = np.zeros((height, width, 3), np.uint8)
    image[:, width // 2 :] = (200, 40, 30)
    image[height // 3 :, : width // 3] = (20, 90, 220)
    return np.clip(image + rng.integers(0, 20, image.shape), 0, 255).astype(np.uint8)


def features(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_labels_come_at_image_size_and_on_the_grid():
    tree = uhseg_jax.segment(picture(), model=MODEL, config=CONFIG)
    grid = uhseg_jax.segment(picture(), model=MODEL, config=CONFIG, grid=True)
    assert tree.labels.shape == (50, 70)
    assert grid.labels.shape == (6, 6)
    assert tree.labels.dtype == grid.labels.dtype == np.int32
    assert tree.labels[0, 0] == grid.labels[0, 0]
    assert tree.labels[-1, -1] == grid.labels[-1, -1]
    np.testing.assert_array_equal(np.unique(tree.labels), np.unique(grid.labels))


def test_paths_pil_images_and_arrays_give_the_same_tree(tmp_path):
    path = tmp_path / "image.png"
    Image.fromarray(picture()).save(path)
    with Image.open(path) as opened:
        trees = [
            uhseg_jax.segment(image, model=MODEL, config=CONFIG)
            for image in (path, str(path), opened, picture())
        ]
    for tree in trees[1:]:
        jax.tree.map(np.testing.assert_array_equal, tree, trees[0])


def test_segment_is_extraction_then_segment_features():
    config = dataclasses.replace(CONFIG, blocks=(-1,))
    found = uhseg_jax.extract_features(
        picture(), model=MODEL, image_size=config.image_size
    )
    by_features = uhseg_jax.segment_features(found, config=config)
    whole = uhseg_jax.segment(picture(), model=MODEL, config=config, grid=True)
    np.testing.assert_array_equal(
        by_features.cut(num_regions=3), whole.cut(num_regions=3)
    )


def test_several_blocks_are_normalised_and_put_side_by_side():
    segment_all = pipeline.Segmenter.create(
        model=MODEL, config=CONFIG, refine="upsample"
    )
    (both,) = np.asarray(segment_all.features([picture()]))
    for part, block in zip(np.split(both, 2, axis=-1), (-2, -1), strict=True):
        alone = uhseg_jax.extract_features(
            picture(), model=MODEL, block=block, image_size=CONFIG.image_size
        )
        alone = alone / np.linalg.norm(alone, axis=-1, keepdims=True)
        np.testing.assert_allclose(part, alone, atol=1e-5)


def test_a_batch_is_its_images_one_by_one():
    batch = features(3, 7, 5, 8)
    together = uhseg_jax.segment_features(batch, config=CONFIG)
    assert together.is_batched
    assert together.labels.shape == (3, 7, 5)
    for tree, one in zip(together, batch, strict=True):
        alone = uhseg_jax.segment_features(one, config=CONFIG)
        jax.tree.map(np.testing.assert_array_equal, tree, alone)


def test_a_tree_does_not_depend_on_its_neighbours_in_the_batch():
    segment_all = pipeline.Segmenter.create(
        model=MODEL, config=CONFIG, refine="upsample"
    )
    images = [picture(seed, height=40 + 9 * seed) for seed in range(3)]
    together = segment_all(images)
    for tree, one in zip(together, images, strict=True):
        jax.tree.map(np.testing.assert_array_equal, tree, segment_all([one])[0])


def test_blocks_that_the_model_lacks_are_refused_at_once():
    config = dataclasses.replace(CONFIG, blocks=(-99,))
    with pytest.raises(ValueError, match="-99"):
        pipeline.Segmenter.create(model=MODEL, config=config)


def test_class_attention_is_no_feature_of_a_patch():
    # A method whose config does not know better than to pass it on.
    config = types.SimpleNamespace(
        image_size=6 * PATCH, facet="class_attention", blocks=(-1,), normed=None
    )
    other = methods.Method(
        "other", types.SimpleNamespace, {}, recursive_spectral.segment
    )
    segment_all = pipeline.Segmenter(backbones.load_backbone(MODEL), other, config)
    with pytest.raises(ValueError, match="forward_features"):
        segment_all.features([picture()])
    with pytest.raises(ValueError, match="forward_features"):
        uhseg_jax.extract_features(picture(), model=MODEL, facet="class_attention")


def test_no_images_have_no_trees():
    assert pipeline.Segmenter.create(model=MODEL, config=CONFIG)([]) == []


def test_the_length_of_features_does_not_matter():
    found = features(6, 6, 9)
    trees = [
        uhseg_jax.segment_features(found * scale, config=CONFIG)
        for scale in (np.float32(1), np.float32(2.0**60), np.float32(2.0**-70))
    ]
    found = found.astype(np.float64)  # beyond what float32 can hold
    trees += [
        uhseg_jax.segment_features(x, config=CONFIG)
        for x in (found * 2.0**300, found * 2.0**-300, found.tolist())
    ]
    for tree in trees[1:]:
        np.testing.assert_array_equal(tree.labels, trees[0].labels)


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
        uhseg_jax.segment_features(bad)


def test_other_float_types_are_accepted():
    for dtype in (np.float16, np.float64):
        tree = uhseg_jax.segment_features(
            features(4, 4, 6).astype(dtype), config=CONFIG
        )
        assert tree.labels.shape == (4, 4)


def test_unknown_names_list_the_known_ones():
    with pytest.raises(ValueError, match="recursive_spectral"):
        uhseg_jax.segment_features(features(3, 3, 4), method="recursive_spectra")
    with pytest.raises(ValueError, match="dinov2_vits14_focus"):
        uhseg_jax.segment(picture(), model="dinov2_vits15")


def test_presets_are_named():
    method = methods.get_method("recursive_spectral")
    assert method.preset("release").rule == "ncut"
    assert method.preset("paper").rule == "paper"
    with pytest.raises(ValueError, match="default, release, paper"):
        method.preset("best")


def test_a_config_of_another_method_is_refused():
    with pytest.raises(ValueError, match=r"recursive_spectral\.Config, but got dict"):
        uhseg_jax.segment_features(features(3, 3, 4), config={"rule": "ncut"})


def test_extract_features_follows_the_size_asked_for():
    spec = backbones.get_variant(MODEL).spec
    image = picture(height=3 * PATCH, width=5 * PATCH)
    for size, grid in (
        (4 * PATCH, (4, 4)),
        ((2 * PATCH, 6 * PATCH), (2, 6)),
        (None, (3, 5)),
    ):
        for facet in ("token", "key"):
            found = uhseg_jax.extract_features(
                image, model=MODEL, image_size=size, facet=facet
            )
            assert found.shape == (*grid, spec.width)
            assert found.dtype == np.float32


def test_sizes_that_the_patch_does_not_divide_are_refused():
    with pytest.raises(ValueError, match=str(PATCH)):
        uhseg_jax.extract_features(
            picture(height=PATCH + 1, width=PATCH), model=MODEL, image_size=None
        )
    config = dataclasses.replace(CONFIG, image_size=PATCH + 1)
    with pytest.raises(ValueError, match=str(PATCH)):
        uhseg_jax.segment(picture(), model=MODEL, config=config)
    for size in (0, -14, (PATCH, 0)):
        with pytest.raises(ValueError, match="positive"):
            uhseg_jax.extract_features(picture(), model=MODEL, image_size=size)


def test_sides_may_be_numpys_whole_numbers_or_a_list():
    assert extraction.image_sides(np.int64(28)) == (28, 28)
    assert extraction.image_sides([np.int32(14), 28]) == (14, 28)
    for size in (28.0, "28", (28, 28, 28), True):
        with pytest.raises(ValueError, match="image_size must be a side or a pair"):
            extraction.image_sides(size)


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (2000, 3)])
def test_images_of_any_shape(shape):
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    tree = uhseg_jax.segment(image, model=MODEL, config=CONFIG, refine="upsample")
    assert tree.labels.shape == shape


def test_examples_in_the_documentation_run():
    results = doctest.testmod(pipeline)
    assert results.attempted > 0
    assert results.failed == 0


def test_importing_the_package_is_light():
    code = (
        "import sys, uhseg_jax; "
        "print(*{m.split('.')[0] for m in sys.modules} & {'tensorflow', "
        "'tensorflow_datasets', 'matplotlib', 'pycocotools', 'huggingface_hub', "
        "'skimage', 'onnx', 'safetensors', 'torch', 'orbax', 'sklearn', 'scipy.stats'})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
