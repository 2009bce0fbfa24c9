import dataclasses
import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score
from uhseg_jax.discovery import Extractor, discover, regions, store
from uhseg_jax.discovery.categories import find_categories, whiten
from uhseg_jax.discovery.extractor import ImageFeatures
from uhseg_jax.discovery.levels import Sample, fit_levels

from uhseg_jax import backbones, images
from uhseg_jax.methods import multilevel_clustering as method
from uhseg_jax.refinement import dense_crf
from uhseg_jax.refinement.config import Refinement, resolve_refinement
from uhseg_jax.refinement.foreground import refine_foreground

CONFIG = dataclasses.replace(
    method.default(),
    image_size=(84, 112),
    crop_size=28,
    num_groups=2,
    num_categories=2,
    sample_size=400,
    kmeans_restarts=1,
    kmeans_iterations=20,
    min_area=0.02,
)
UPSAMPLE = Refinement(())


def picture(seed, size=(60, 80)):
    """A square of one of two colours on green, and where it is."""
    rng = np.random.default_rng(seed)
    height, width = size
    pixels = rng.integers(0, 20, (height, width, 3)) + np.array([60, 120, 60])
    inside = np.zeros(size, bool)
    inside[15:45, 10 + 5 * (seed % 6) : 40 + 5 * (seed % 6)] = True
    color = np.array([[220, 30, 30], [30, 30, 220]])[seed % 2]
    pixels[inside] = color + rng.integers(0, 20, (int(inside.sum()), 3))
    return pixels.astype(np.uint8), inside


@dataclasses.dataclass(frozen=True)
class ColorExtractor(Extractor):
    """An extractor that sees colours: what the passes make of perfect features."""

    calls: list = dataclasses.field(default_factory=list)

    def picture(self, pixels):
        self.calls.append("image")
        small = images.resize(pixels, (12, 16)).astype(np.float32) / 255
        units = small / np.linalg.norm(small, axis=-1, keepdims=True)
        attention = np.where(small[..., 1] < 0.4, 0.1, 0.01).astype(np.float32)
        token = small.reshape(-1, 3).mean(axis=0)
        return ImageFeatures(units.astype(np.float16), attention, token)

    def class_tokens(self, crops):
        self.calls.extend("crop" for _ in crops)
        tokens = [x.reshape(-1, 3).mean(axis=0) for x in crops]
        return np.array(tokens, np.float32).reshape(-1, 3)


def painter_of(config=CONFIG):
    return ColorExtractor(backbones.load_backbone("dinov2_test"), config)


@pytest.fixture(scope="module")
def extractor():
    return Extractor.create(model="dinov2_test", config=CONFIG)


def iou(one, other):
    return (one & other).sum() / (one | other).sum()


@pytest.mark.parametrize("consistency", ["chain", "vote"])
def test_planted_objects_are_found_and_sorted_by_colour(consistency):
    config = dataclasses.replace(CONFIG, consistency=consistency)
    pictures = [picture(i)[0] for i in range(6)]
    found = discover(painter_of(config), pictures, refinement=UPSAMPLE)
    assert found.count == 2
    assert not found.failures
    kinds = np.concatenate(found.numbers)
    assert adjusted_rand_score(kinds, np.arange(6) % 2) == 1
    for index in range(6):
        inside = picture(index)[1]
        assert iou(found.categories(index) > 0, inside) > 0.8
        assert set(np.unique(found.categories(index))) == {0, kinds[index]}


def test_a_real_backbone_goes_the_whole_way(extractor):
    pictures = [picture(i)[0] for i in range(4)]
    found = discover(extractor, pictures, refinement=UPSAMPLE)
    for index in range(4):
        tree, categories = found.tree(index)
        assert tree.labels.shape == (60, 80)
        np.testing.assert_array_equal(categories[tree.labels], found.categories(index))
    assert found.regions(0).tokens.shape[1] == extractor.backbone.spec.width


def test_trees_give_regions_as_well(monkeypatch):
    # The method that makes the trees has tests of its own and takes long to compile.
    module = importlib.import_module("uhseg_jax.discovery.discover")
    grid = np.zeros((12, 16), np.int32)
    planted, _ = regions.flat_tree(grid + np.arange(16) // 4)
    batch = jax.tree.map(lambda x: jnp.asarray(x)[None], planted)
    monkeypatch.setattr(module, "jitted_trees", lambda *args, **kwargs: batch)
    monkeypatch.setattr(
        ColorExtractor,
        "tree_features",
        lambda self, pixels: jnp.eye(4)[planted.labels - 1],
    )
    config = dataclasses.replace(CONFIG, regions="tree", majority=0.2)
    found = discover(painter_of(config), [picture(0)[0]], refinement=Refinement(None))
    # The square holds a fourth of the first quarter and half of the second.
    labels = found.regions(0).labels
    assert np.unique(labels[:, :20]).tolist() == [1]
    assert np.unique(labels[:, 20:40]).tolist() == [2]
    assert not labels[:, 40:].any()


def test_blocks_and_sides_that_the_model_lacks_are_refused_at_once():
    for changes in (
        {"block": -9},
        {"class_block": 7},
        {"crop_size": 30},
        {"regions": "tree", "tree_blocks": (-9,)},
    ):
        config = dataclasses.replace(CONFIG, **changes)
        with pytest.raises(ValueError, match=r"block|multiple|patch"):
            Extractor.create(model="dinov2_test", config=config)


def test_kept_features_and_computed_ones_give_the_same(tmp_path):
    pictures = [picture(i)[0] for i in range(4)]
    results = {}
    for keep in (True, False):
        painter = painter_of(dataclasses.replace(CONFIG, keep_features=keep))
        folder = tmp_path / str(keep)
        results[keep] = discover(painter, pictures, refinement=UPSAMPLE, folder=folder)
        assert painter.calls.count("image") == (4 if keep else 8)
        assert (folder / "features").exists() == keep
    for index in range(4):
        np.testing.assert_array_equal(
            results[True].categories(index), results[False].categories(index)
        )


def test_a_stopped_run_goes_on_and_ends_the_same(tmp_path):
    pictures = [picture(i)[0] for i in range(4)]
    whole = discover(painter_of(), pictures, refinement=UPSAMPLE)

    class StoppedError(Exception):
        pass

    def stop(stage, index):
        if (stage, index) == ("regions", 1):
            raise StoppedError

    with pytest.raises(StoppedError):
        discover(
            painter_of(),
            pictures,
            refinement=UPSAMPLE,
            folder=tmp_path,
            on_image=stop,
        )
    again = painter_of()
    found = discover(again, pictures, refinement=UPSAMPLE, folder=tmp_path)
    assert again.calls.count("image") == 0
    assert again.calls.count("crop") == 2
    for index in range(4):
        np.testing.assert_array_equal(found.categories(index), whole.categories(index))


def test_images_that_cannot_be_read_are_reported_and_the_rest_is_done(tmp_path):
    paths = [tmp_path / f"{i}.png" for i in range(3)]
    for i in (0, 2):
        Image.fromarray(picture(i)[0]).save(paths[i])
    paths[1].write_bytes(b"no image")
    for _ in range(2):  # as it is the second time
        found = discover(
            painter_of(), paths, refinement=UPSAMPLE, folder=tmp_path / "state"
        )
        assert list(found.failures) == [1]
        assert str(paths[1]) in found.failures[1]
        assert [len(x) for x in found.numbers] == [1, 0, 1]
    with pytest.raises(images.ImageError, match="not one of the 1"):
        discover(painter_of(), paths[1:2])
    with pytest.raises(images.ImageError, match="at least one"):
        discover(painter_of(), [])


def test_one_image_duplicates_and_blank_ones_are_collections_too():
    one, blank = picture(0)[0], np.full((60, 80, 3), 120, np.uint8)
    assert discover(painter_of(), [one], refinement=UPSAMPLE).count == 1
    same = discover(painter_of(), [one, one, one], refinement=UPSAMPLE)
    assert same.count == 1
    assert [x.tolist() for x in same.numbers] == [[1], [1], [1]]
    empty = discover(painter_of(), [blank], refinement=UPSAMPLE)
    assert empty.count == 0
    tree, categories = empty.tree(0)
    assert int(tree.num_nodes) == 1
    assert categories.tolist() == [0]


def test_the_sample_is_bounded_and_does_not_depend_on_what_fails():
    features = painter_of().picture(picture(0)[0])
    samples = []
    for pictures in ([0, 1, 2], [0, 2]):
        sample = Sample(3, CONFIG)
        for index in pictures:
            sample.add(index, features)
        samples.append(sample.arrays())
    patches, _, _, owners = samples[0]
    assert len(patches) == 3 * (400 // 3)
    np.testing.assert_array_equal(patches[owners != 1], samples[1][0])


def test_groups_have_levels_of_their_own():
    sample = Sample(4, CONFIG)
    for index in range(4):
        sample.add(index, painter_of().picture(picture(index)[0]))
    levels = fit_levels(sample, CONFIG, count=5)
    assert levels.group.tolist()[4] == -1
    assert adjusted_rand_score(levels.group[:4], np.arange(4) % 2) == 1
    assert len(levels.categories) == 2


def test_components_are_those_of_scipy_above_the_least_area():
    rng = np.random.default_rng(0)
    mask = ndimage.gaussian_filter(rng.normal(size=(40, 50)), 2) > 0.05
    found = regions.components(mask, min_area=0.01)
    expected, count = ndimage.label(mask, structure=np.ones((3, 3)))
    large = [i for i in range(1, count + 1) if (expected == i).sum() >= 20]
    assert 1 < len(large) < count
    assert found.max() == len(large)
    for number, box in enumerate(regions.boxes(found), start=1):
        rows, columns = np.nonzero(found == number)
        assert (expected == expected[rows[0], columns[0]]).sum() == rows.size
        ends = rows.min(), columns.min(), rows.max() + 1, columns.max() + 1
        assert box.tolist() == list(ends)


def test_regions_of_a_cut_need_a_majority_in_the_foreground():
    cut = np.repeat([[3, 5, 9]], 6, axis=0).repeat(4, axis=1)
    mask = np.zeros(cut.shape, bool)
    mask[:, :6] = True  # all of 3, half of 5, nothing of 9
    found = regions.tree_regions(cut, mask, majority=0.5, min_area=0.0)
    assert np.unique(found[cut == 3]).tolist() == [1]
    assert np.unique(found[cut == 5]).tolist() == [2]
    assert not found[cut == 9].any()
    found = regions.tree_regions(cut, mask, majority=0.6, min_area=0.0)
    assert not found[cut == 5].any()
    assert not regions.tree_regions(cut, ~mask & mask, majority=0.0, min_area=0.0).any()


@pytest.mark.parametrize("labels", [[[0, 1], [2, 2]], [[1, 1]], [[0, 0]], [[1, 2]]])
def test_a_flat_tree_gives_every_label_back(labels):
    labels = np.array(labels)
    tree, label = regions.flat_tree(labels)
    np.testing.assert_array_equal(label[tree.labels], labels)
    several = np.unique(labels).size > 1
    assert int(tree.num_nodes) == (np.unique(labels).size + 1 if several else 1)
    assert tree.masks()[0].all()


def test_whitening_is_that_of_principal_components():
    tokens = np.random.default_rng(0).normal(size=(80, 6)).astype(np.float32)
    tokens *= np.array([5, 3, 1, 1, 0.1, 0], np.float32)
    found = whiten(tokens, 4)
    expected = PCA(4, whiten=True).fit_transform(tokens) * np.sqrt(80 / 79)
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-3)
    assert whiten(tokens, 64).shape[1] == 5  # the last axis has no variance
    assert whiten(tokens[:12], 64).shape[1] == 3
    for few in (tokens[:3], np.ones((9, 6), np.float32)):
        np.testing.assert_array_equal(whiten(few, 4), few)
    np.testing.assert_array_equal(whiten(tokens, 0), tokens)


def test_categories_are_numbered_by_size_without_gaps():
    rng = np.random.default_rng(1)
    kinds = np.repeat([0, 1, 2], [5, 20, 10])
    tokens = np.eye(8)[kinds] * 3 + 0.05 * rng.normal(size=(35, 8))
    fields = {"whitened": 0, "restarts": 4, "max_iterations": 30, "seed": 0}
    found = find_categories(tokens.astype(np.float32), num_categories=3, **fields)
    np.testing.assert_array_equal(found.numbers, np.array([3, 1, 2])[kinds])
    assert found.count == 3
    assert find_categories(np.zeros((0, 8)), num_categories=3, **fields).count == 0


def test_features_are_known_by_their_pixels_and_damaged_files_made_again(tmp_path):
    painter = painter_of()
    keep = store.FeatureStore(painter, tmp_path)
    one = keep(picture(0)[0])
    for _ in range(2):
        np.testing.assert_array_equal(keep(picture(0)[0]).patches, one.patches)
    assert painter.calls == ["image"]
    keep(picture(1)[0])
    other = dataclasses.replace(CONFIG, facet="value")
    store.FeatureStore(painter_of(other), tmp_path)(picture(0)[0])
    files = sorted(tmp_path.iterdir())
    assert len(files) == 3
    for file in files:
        file.write_bytes(file.read_bytes()[:100])
    np.testing.assert_array_equal(keep(picture(0)[0]).patches, one.patches)
    assert len(painter.calls) == 3


def planted_field(unary, image, config, *, mask):
    """A CRF without pairs: the unaries decide alone."""
    assert image.shape[:2] == mask.shape == unary.shape[:2]
    return jax.nn.softmax(-unary, axis=-1)


@pytest.mark.parametrize("refiner", ["none", "upsample", "crf"])
def test_a_soft_mask_follows_the_image(refiner, monkeypatch):
    # The CRF has tests of its own and takes long to compile.
    monkeypatch.setattr(dense_crf, "mean_field", planted_field)
    pixels, inside = picture(0, size=(50, 60))
    cells = inside[2::5, 2::5].astype(np.float32) * 0.8 + 0.1
    refinement = resolve_refinement(refiner)
    found = refine_foreground(cells, pixels, refinement)
    assert found.shape == inside.shape
    assert iou(found, inside) > 0.9
    # As many tiles as before: the same program.
    smaller = dataclasses.replace(refinement, max_megapixels=0.01)
    large = np.kron(pixels, np.ones((2, 2, 1), np.uint8))
    found = refine_foreground(jnp.asarray(cells), large, smaller)
    assert iou(found, np.kron(inside, np.ones((2, 2))) > 0) > 0.85


def test_upsampling_a_soft_mask_is_bilinear():
    cells = np.random.default_rng(0).random((5, 6)).astype(np.float32)
    pixels = np.zeros((40, 66, 3), np.uint8)
    found = refine_foreground(cells, pixels, UPSAMPLE)
    expected = jax.image.resize(jnp.asarray(cells), (40, 66), "linear")
    far = np.abs(np.asarray(expected) - 0.5) > 1e-4
    np.testing.assert_array_equal(found[far], (np.asarray(expected) > 0.5)[far])
