"""Runs that write proposals for objects."""

import json

from segment_command import segment

FORMATS = "--format=npz,coco,proposals"


def test_proposals_are_of_the_images_of_the_coco_file(photos, out, tmp_path):
    (photos / "broken.jpg").write_bytes(b"no image")
    assert segment(photos, FORMATS, output=out) == 1
    entries = json.loads((out / "proposals.json").read_text())
    sizes = {x["image_id"]: tuple(x["segmentation"]["size"]) for x in entries}
    images = json.loads((out / "coco.json").read_text())["images"]
    assert sizes == {x["id"]: (x["height"], x["width"]) for x in images}
    assert len({x["width"] for x in images}) == len(images) == 3

    (photos / "broken.jpg").unlink()
    joined = tmp_path / "joined"
    for shard in (2, 1):
        assert segment(photos, FORMATS, f"--shard={shard}/2", output=joined) == 0
    assert not (joined / "proposals.json").exists()
    assert segment(photos, FORMATS, "--join", output=joined) == 0
    found = [(x / "proposals.json").read_bytes() for x in (out, joined)]
    assert found[0] == found[1]
