"""Files of clips: a PNG for every frame, tracks, the tree, a film."""

import json

import numpy as np
import pytest
from clip_results import PROVENANCE, clip_of, disc_clip, write_clip
from PIL import Image

from uhseg_jax.export.clips import CLIP_FORMATS, ClipOptions, read_clip
from uhseg_jax.export.colors import node_colors
from uhseg_jax.export.labels import davis_palette
from uhseg_jax.export.result import Provenance
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.run_lengths import decode
from uhseg_jax.video import VideoTree

OPTIONS = ClipOptions(3)  # the disc is one region, or its halves are two


@pytest.fixture(scope="module")
def drawn():
    return disc_clip()


@pytest.fixture(scope="module")
def clip(drawn):
    return clip_of(drawn[0])


@pytest.fixture(scope="module")
def folder(drawn, clip, tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("clip"), clip, drawn[1])


def test_frames_of_davis_count_the_regions_of_the_cut_from_1(drawn, folder):
    cut = np.asarray(drawn[0].cut(num_regions=3))
    nodes = np.unique(cut)
    for index, labels in enumerate(cut):
        with Image.open(folder / f"davis/disc/f{index:03}.png") as image:
            assert image.mode == "P"
            palette = np.array(image.getpalette()).reshape(-1, 3)
            found = np.asarray(image)
        assert (nodes[found - 1] == labels).all()
        assert (palette == davis_palette()[: len(palette)]).all()


def test_a_frame_with_more_than_255_regions_has_16_bits(tmp_path):
    labels = np.arange(1, 301, dtype=np.int32).reshape(1, 15, 20)
    tree = RegionTree.flat(labels, 301)
    images = np.zeros((1, 15, 20, 3), np.uint8)
    options = ClipOptions(num_regions=None, page_regions=None)
    write_clip(tmp_path, clip_of(tree), images, ["davis"], options)
    with Image.open(tmp_path / "davis/disc/f000.png") as image:
        assert (np.asarray(image) == labels[0]).all()


def test_a_frame_that_a_clip_has_no_more_goes_and_others_stay(tmp_path, drawn):
    tree, images = drawn
    own = tmp_path / "davis/disc/mine.png"
    write_clip(tmp_path, clip_of(tree), images, ["davis"])
    Image.new("L", (3, 3)).save(own)
    shorter = RegionTree(**{**vars(tree), "labels": tree.labels[:2]})
    write_clip(tmp_path, clip_of(shorter), images[:2], ["davis"])
    names = sorted(x.name for x in own.parent.iterdir())
    assert names == ["f000.png", "f001.png", "mine.png"]


def test_tracks_are_the_nodes_above_the_cut_frame_by_frame(drawn, folder):
    tree, images = drawn
    tracks = json.loads((folder / "ytvis.json").read_text())
    (video,) = tracks["videos"]
    assert (video["length"], video["height"], video["width"]) == images.shape[:3]
    nodes = {x["node"]: x for x in tracks["annotations"]}
    shown = set(np.unique(tree.cut(num_regions=3)).tolist())
    assert set(nodes) == shown | {1, 2}
    ids = {x["id"] for x in tracks["annotations"]}
    assert ids == set(range(1, len(nodes) + 1))
    masks = tree.masks()
    for node, track in nodes.items():
        parent = int(tree.parents[node])
        assert track["parent_id"] == (nodes[parent]["id"] if parent else None)
        for index, mask in enumerate(masks[node]):
            found = track["segmentations"][index]
            if not mask.any():
                assert found is track["bboxes"][index] is track["areas"][index] is None
                continue
            assert (decode(found) == mask).all()
            assert track["areas"][index] == mask.sum()
            y, x = np.nonzero(mask)
            box = [x.min(), y.min(), x.max() - x.min() + 1, y.max() - y.min() + 1]
            assert track["bboxes"][index] == box
    assert None in nodes[1]["segmentations"]  # the disc has left


def test_the_npz_is_the_tree_of_the_clip(drawn, folder, clip):
    found = VideoTree.load(folder / "disc.npz")
    assert (found.tree.labels == drawn[0].labels).all()
    assert (found.rate, found.title) == (12.0, "disc.mov")
    assert found.names == tuple(clip.names)


def test_a_clip_is_read_again_if_it_was_made_of_the_same(folder, clip, tmp_path):
    again = read_clip(folder, "disc", PROVENANCE)
    assert (again.names, again.rate, again.size) == (
        tuple(clip.names),
        clip.rate,
        clip.size,
    )
    assert all((x == y).all() for x, y in zip(again.labels, clip.labels, strict=True))
    assert (again.areas == clip.areas).all()
    assert (again.colors == clip.colors).all()
    assert read_clip(folder, "disc", Provenance("a" * 64, "c" * 64)) is None
    content = (folder / "disc.npz").read_bytes()
    for damaged in (content[:-200], content[:300] + b"?" * 20 + content[320:]):
        (tmp_path / "disc.npz").write_bytes(damaged)
        assert read_clip(tmp_path, "disc", PROVENANCE) is None


def test_colours_are_those_of_the_tree(drawn, clip):
    assert (clip.colors == node_colors(drawn[0])).all()


def test_files_stay_if_they_show_the_same(folder):
    again = read_clip(folder, "disc", PROVENANCE)
    davis = CLIP_FORMATS["davis"]
    assert davis.is_there(folder, OPTIONS, again)
    assert not davis.is_there(folder, ClipOptions(4), again)
    assert not CLIP_FORMATS["html"].is_there(folder, OPTIONS, again)


def test_frames_of_another_number_or_size_are_refused(drawn, clip):
    images = drawn[1]
    with pytest.raises(ValueError, match="segment it again"):
        list(clip.frames(images[:, :-1]))
    with pytest.raises(ValueError, match=r"expected 5 frames, .* there are fewer"):
        list(clip.frames(images[:-1]))
    with pytest.raises(ValueError, match=r"expected 5 frames, .* there are more"):
        list(clip.frames([*images, images[0]]))


@pytest.mark.readers
def test_a_film_has_the_clip_beside_its_regions(tmp_path, drawn, clip):
    av = pytest.importorskip("av")
    write_clip(tmp_path, clip, drawn[1], ["mp4"])
    with av.open(str(tmp_path / "disc.mp4")) as film:
        assert film.streams.video[0].average_rate == 12
        frames = [x.to_ndarray(format="rgb24") for x in film.decode(video=0)]
    height, width = (x + x % 2 for x in drawn[1].shape[1:3])  # sides are even
    assert np.shape(frames) == (5, height, 2 * width, 3)
    beside = [x[:31, :45].astype(int) for x in frames]
    assert np.abs(beside - drawn[1].astype(int)).mean() < 12  # the codec blurs colours
    mp4 = CLIP_FORMATS["mp4"]
    assert mp4.has_mark(tmp_path / "disc.mp4")
    assert mp4.is_there(tmp_path, OPTIONS, clip)
    assert not mp4.is_there(tmp_path, ClipOptions(30), clip)
    (tmp_path / "disc.mp4").write_bytes(b"no film")
    assert not mp4.has_mark(tmp_path / "disc.mp4")
