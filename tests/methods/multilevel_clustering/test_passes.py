"""From images to regions with categories: the passes, and each of their steps."""

import dataclasses
import gc
import tempfile

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score

from uhseg_jax import backbones, images
from uhseg_jax.methods import METHODS
from uhseg_jax.methods.fitted import Collection, kept_files
from uhseg_jax.methods.multilevel_clustering import default, passes, regions
from uhseg_jax.methods.multilevel_clustering.categories import find_categories, whiten
from uhseg_jax.methods.multilevel_clustering.feature_store import FeatureStore
from uhseg_jax.methods.multilevel_clustering.features import image_features
from uhseg_jax.methods.multilevel_clustering.upper_levels import Sample, fit_levels
from uhseg_jax.pipeline import Segmenter
from uhseg_jax.refinement.config import resolve_refinement

CONFIG = dataclasses.replace(
    default(),
    num_groups=2,
    num_categories=2,
    sample_size=400,
    kmeans_restarts=1,
    kmeans_iterations=20,
    min_area=0.02,
)

DIGEST = "0" * 64  # of the settings of a run


def photo(seed, size=(60, 80)):
    """A square of one of two colours on green, and where it is."""
    rng = np.random.default_rng(seed)
    height, width = size
    pixels = rng.integers(0, 20, (height, width, 3)) + np.array([60, 120, 60])
    inside = np.zeros(size, bool)
    inside[15:45, 10 + 5 * (seed % 6) : 40 + 5 * (seed % 6)] = True
    color = np.array([[220, 30, 30], [30, 30, 220]])[seed % 2]
    pixels[inside] = color + rng.integers(0, 20, (int(inside.sum()), 3))
    return pixels.astype(np.uint8), inside


PHOTOS = [photo(i)[0] for i in range(6)]


@dataclasses.dataclass(frozen=True)
class ColorBackbone(backbones.Backbone):
    """A backbone that sees colours: what the passes make of perfect features."""

    calls: list = dataclasses.field(default_factory=list)

    def answer(self, image, request):
        if isinstance(request, backbones.PatchRequest):  # of a tree: the column
            columns = np.arange(16) // 4
            return jnp.broadcast_to(jnp.eye(4)[columns], (12, 16, 4))
        if request.grid == CONFIG.crop_grid:
            self.calls.append("crop")
        else:
            self.calls.append("image")
        small = images.resize(image, (12, 16)).astype(np.float32) / 255
        attention = np.where(small[..., 1] < 0.4, 0.1, 0.01).astype(np.float32)
        token = image.reshape(-1, 3).mean(axis=0, dtype=np.float32) / 255
        return backbones.ClassTokenFeatures(
            jnp.asarray(small), jnp.asarray(attention), jnp.asarray(token)
        )


def painter(config=CONFIG, refine="upsample"):
    vit = backbones.load_backbone("dinov2_test")
    fields = {f.name: getattr(vit, f.name) for f in dataclasses.fields(vit)}
    method = METHODS["multilevel_clustering"]
    refinement = resolve_refinement(refine)
    return Segmenter(ColorBackbone(**fields), method, config, refinement)


def collection(sources, **fields):
    return Collection(lambda i: images.read_image(sources[i]), len(sources), **fields)


def discover(segmenter, sources, **fields):
    return passes.fit(segmenter, collection(sources, **fields))


def category_map(found, index):
    (one,) = found.segment([index], [None])
    return one.categories[one.tree.labels]


def iou(one, other):
    return (one & other).sum() / (one | other).sum()


@pytest.mark.parametrize("consistency", ["chain", "vote"])
def test_planted_objects_are_found_and_sorted_by_colour(consistency):
    config = dataclasses.replace(CONFIG, consistency=consistency)
    found = discover(painter(config), PHOTOS)
    assert found.num_categories == 2
    assert not found.failures
    kinds = np.concatenate(found.numbers)
    assert adjusted_rand_score(kinds, np.arange(6) % 2) == 1
    for index in range(6):
        inside = photo(index)[1]
        assert iou(category_map(found, index) > 0, inside) > 0.8
        assert set(np.unique(category_map(found, index))) == {0, kinds[index]}


@pytest.mark.slow
def test_a_real_backbone_goes_the_whole_way():
    request = backbones.ClassTokenRequest(grid=(6, 8))
    config = dataclasses.replace(CONFIG, request=request, crop_grid=2)
    segmenter = Segmenter.create(
        method="multilevel_clustering", model="dinov2_test", config=config
    )
    found = segmenter(PHOTOS[:3])
    for one in found:
        assert one.tree.labels.shape == (60, 80)
        assert one.grid.labels.shape == (6, 8)
        assert len(one.categories) == len(one.distances) == int(one.tree.num_nodes)
        assert one.masks.keys() == {"dataset", "category", "image", "final"}
        assert (one.categories[one.tree.labels] > 0).any() or one.tree.num_nodes == 1


@pytest.mark.slow
def test_trees_give_regions_as_well():
    config = dataclasses.replace(
        CONFIG,
        regions="tree",
        majority=0.2,
        tree_regions=4,
        tree_request=backbones.PatchRequest(),
    )
    found = discover(painter(config, refine="none"), [photo(0)[0]])
    # The square holds a fourth of the first quarter and half of the second.
    labels = found.regions(0).labels
    quarters = [set(np.unique(labels[:, x : x + 20]).tolist()) for x in (0, 20)]
    assert sorted(quarters, key=min) == [{1}, {2}]
    assert not labels[:, 40:].any()


def test_blocks_that_the_model_lacks_and_shares_of_a_collection_are_refused():
    for request in ({"block": -9}, {"class_block": 7}):
        config = dataclasses.replace(
            CONFIG, request=backbones.ClassTokenRequest(**request)
        )
        with pytest.raises(ValueError, match="block"):
            discover(painter(config), PHOTOS)
    tree = backbones.PatchRequest(blocks=(-9,))
    config = dataclasses.replace(CONFIG, regions="tree", tree_request=tree)
    with pytest.raises(ValueError, match="block"):
        discover(painter(config), PHOTOS)
    with pytest.raises(ValueError, match="without --distributed and --shard"):
        discover(painter(), PHOTOS, is_share=True)


def test_kept_features_and_computed_ones_give_the_same(tmp_path):
    results = {}
    for keep in (True, False):
        segmenter = painter(dataclasses.replace(CONFIG, keep_features=keep))
        folder = tmp_path / str(keep)
        results[keep] = discover(segmenter, PHOTOS[:4], folder=folder)
        assert segmenter.backbone.calls.count("image") == (4 if keep else 8)
        assert (folder / "features").exists() == keep
    for index in range(4):
        np.testing.assert_array_equal(
            *(category_map(found, index) for found in results.values())
        )


def test_a_stopped_run_goes_on_and_ends_the_same(tmp_path):
    sources = PHOTOS[:4]
    whole = discover(painter(), sources)

    class StoppedError(Exception):
        pass

    def stop(stage, index):
        if (stage, index) == ("regions", 1):
            raise StoppedError

    with pytest.raises(StoppedError):
        discover(painter(), sources, folder=tmp_path, settings=DIGEST, on_image=stop)
    again = painter()
    found = discover(again, sources, folder=tmp_path, settings=DIGEST)
    assert again.backbone.calls.count("image") == 0
    assert again.backbone.calls.count("crop") == 2
    for index in range(4):
        np.testing.assert_array_equal(
            category_map(found, index), category_map(whole, index)
        )
    damaged = sorted((tmp_path / "passes").rglob("*.npz"))[0]
    damaged.write_bytes(damaged.read_bytes()[:100])
    mended = painter()
    found = discover(mended, sources, folder=tmp_path, settings=DIGEST)
    assert mended.backbone.calls.count("crop") == 1
    np.testing.assert_array_equal(category_map(found, 0), category_map(whole, 0))
    other = painter()
    discover(other, sources, folder=tmp_path, settings="1" * 64)
    assert other.backbone.calls == ["crop"] * 4  # features stay, the rest is of others
    for path in kept_files(tmp_path):
        path.unlink()
    fresh = painter()
    discover(fresh, sources, folder=tmp_path, settings=DIGEST)
    assert fresh.backbone.calls.count("image") == 0  # features stay
    assert fresh.backbone.calls.count("crop") == 4


def test_images_that_cannot_be_read_are_reported_and_the_rest_is_done(tmp_path):
    paths = [tmp_path / f"{i}.png" for i in range(3)]
    for i in (0, 2):
        Image.fromarray(photo(i)[0]).save(paths[i])
    paths[1].write_bytes(b"no image")
    for _ in range(2):  # as it is the second time
        found = discover(painter(), paths, folder=tmp_path / "state")
        assert list(found.failures) == [1]
        assert str(paths[1]) in found.failures[1]
        assert [len(x) for x in found.numbers] == [1, 0, 1]
        with pytest.raises(images.ImageError, match=r"1\.png"):
            next(found.segment([1], [None]))
    with pytest.raises(images.ImageError, match="not one of the 1"):
        discover(painter(), paths[1:2])
    with pytest.raises(images.ImageError, match="at least one"):
        discover(painter(), [])


def test_categories_are_those_of_the_images_that_were_there(tmp_path):
    """Whatever can or cannot be read when a stopped run is taken up again."""
    absent, stopped = {1}, [2]

    def read(index):
        if index in absent:
            raise images.ImageError(f"{index}.png: cannot be read.")
        return PHOTOS[index]

    def found(**fields):
        run = Collection(read, 5, tmp_path, DIGEST, **fields)
        return passes.fit(painter(), run)

    def on_image(stage, index):
        if (stage, index) == ("regions", 0):
            absent.add(3)  # read by the first pass, and then no more
        if (stage, index) == ("regions", *stopped):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        found(on_image=on_image)
    absent.remove(1)
    first = found(on_image=on_image)
    assert list(first.failures) == [1, 3]
    assert "without it; find them anew with --overwrite" in first.failures[1]
    absent |= {0, 2}  # their regions are there
    absent.remove(3)
    again = found()
    assert list(again.failures) == [1, 3]
    for index in (0, 2, 4):
        np.testing.assert_array_equal(*(category_map(x, index) for x in (first, again)))
    (tmp_path / "passes" / DIGEST / "seed-0" / "levels.npz").unlink()
    assert list(found().failures) == [0, 1, 2, 3]  # nothing is mixed
    absent.update(range(5))
    with pytest.raises(images.ImageError, match="not one of the 5"):
        passes.fit(painter(), Collection(read, 5, tmp_path, "1" * 64))


def test_without_a_folder_nothing_is_left_of_the_passes(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    found = discover(painter(), PHOTOS[:2])
    assert (category_map(found, 0) > 0).any()
    # Of a name and with a lock by which it is found if the process is killed.
    assert [x.suffix for x in tmp_path.iterdir()] == [".scratch"]
    del found
    gc.collect()
    assert not list(tmp_path.iterdir())


def test_one_image_duplicates_and_blank_ones_are_collections_too():
    one, blank = PHOTOS[0], np.full((60, 80, 3), 120, np.uint8)
    assert discover(painter(), [one]).num_categories == 1
    same = discover(painter(), [one, one, one])
    assert same.num_categories == 1
    assert [x.tolist() for x in same.numbers] == [[1], [1], [1]]
    empty = discover(painter(), [blank])
    assert empty.num_categories == 0
    (found,) = empty.segment([0], [blank])
    assert int(found.tree.num_nodes) == 1
    assert found.categories.tolist() == [0]


def test_the_sample_is_bounded_and_does_not_depend_on_what_fails():
    features = image_features(painter().backbone, PHOTOS[0], CONFIG)
    samples = []
    for indices in ([0, 1, 2], [0, 2]):
        sample = Sample(3, CONFIG)
        for index in indices:
            sample.add(index, features)
        samples.append(sample.arrays())
    patches, _, _, owners = samples[0]
    assert len(patches) == 3 * (400 // 3)
    np.testing.assert_array_equal(patches[owners != 1], samples[1][0])


def test_groups_have_levels_of_their_own():
    sample = Sample(4, CONFIG)
    for index in range(4):
        sample.add(index, image_features(painter().backbone, PHOTOS[index], CONFIG))
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
    backbone = painter().backbone
    keep = FeatureStore(backbone, CONFIG, tmp_path)
    one = keep(PHOTOS[0])
    for _ in range(2):
        np.testing.assert_array_equal(keep(PHOTOS[0]).patches, one.patches)
    assert backbone.calls == ["image"]
    keep(PHOTOS[1])
    request = dataclasses.replace(CONFIG.request, facet="value")
    other = dataclasses.replace(CONFIG, request=request)
    FeatureStore(painter().backbone, other, tmp_path)(PHOTOS[0])
    files = sorted(tmp_path.iterdir())
    assert len(files) == 3
    for file in files:
        file.write_bytes(file.read_bytes()[:100])
    np.testing.assert_array_equal(keep(PHOTOS[0]).patches, one.patches)
    assert len(backbone.calls) == 3
