"""The command on clips, from the paths to its last words."""

import pytest
import small_runs
from PIL import Image

from uhseg_jax.cli import export
from uhseg_jax.cli.segment import main
from uhseg_jax.video import VideoTree


@pytest.mark.slow
def test_a_folder_of_frames_becomes_a_tree_through_time(tmp_path, capsys):
    frames = tmp_path / "clip"
    for i in range(3):
        small_runs.photograph(frames / f"{i}.png", seed=1)
    output = tmp_path / "out"
    command = [
        *("uhseg-segment", str(frames), "--video", f"--output={output}"),
        *("--method=recursive_spectral", "--preset=small", "--model=dinov2_test"),
        *("--format=npz,davis,ytvis,html", "--max_regions=3"),
    ]
    assert main(command) == 0
    said = capsys.readouterr()
    assert f"1 segmented, 0 done before, 0 failed. Results are in {output}." in said.out
    assert "Open " in said.out
    tree = VideoTree.load(output / "clip.npz")
    assert tree.tree.labels.shape == (3, 30, 40)
    with Image.open(output / "davis" / "clip" / "2.png") as image:
        assert image.getextrema()[1] <= 3
    assert main(command) == 0
    assert "0 segmented, 1 done before" in capsys.readouterr().out
    assert export.main(["uhseg-export", str(output), "--format=labels"]) != 0
    assert "this is one of a clip or a volume" in capsys.readouterr().err
