"""Lists of images."""

from uhseg_jax.runs.lists import read_list


def test_a_line_that_no_file_can_be_called_is_told_like_others(tmp_path):
    (tmp_path / "a.png").touch()
    (tmp_path / "list.txt").write_text(f"a.png\n{'x' * 300}\n")
    found = read_list(tmp_path / "list.txt")
    assert found.paths == (tmp_path / "a.png",)
    (problem,) = found.problems
    assert "line 2: expected the path of an image" in problem
