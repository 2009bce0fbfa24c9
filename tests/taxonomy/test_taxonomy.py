"""Label hierarchies: what the files say is what the scores count."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uhseg_jax.taxonomy import IGNORED, NO_ID, Case, Taxonomy, TaxonomyError

PETS = """\
# Pets and vehicles; 255 marks borders
background = 0 background
animal
  dog
    dog head = 1
    dog body = 2  # without the head

  cat = 3
sky = 9 background
car = 4 foreground
void = 255 ignore
"""


def test_a_file_is_read_line_by_line():
    found = Taxonomy.parse(PETS)
    assert found.names == (
        *("background", "animal", "dog", "dog head", "dog body", "cat", "sky"),
        *("car", "void"),
    )
    assert found.ids.tolist() == [0, NO_ID, NO_ID, 1, 2, 3, 9, 4, 255]
    assert found.parents.tolist() == [-1, -1, 1, 2, 2, 1, -1, -1, -1]
    assert found.depths.tolist() == [0, 0, 1, 2, 2, 1, 0, 0, 0]
    assert [Case(x).name for x in found.cases[:4]] == [
        *("BACKGROUND", "NONE", "NONE", "FOREGROUND")
    ]
    paths = found.paths()
    assert list(paths) == [0, 1, 2, 3, 9, 4, 255]
    assert paths[1] == ("animal", "dog", "dog head")


def test_rows_and_lines_give_the_same_taxonomy():
    rows = [("sky", 0, 1, 0), ("animal", None, None, 0), ("dog", 1, 0, 1)]
    rows.append(("void", 255, 2, 0))
    text = "sky = 0 background\nanimal\n  dog = 1\nvoid = 255 ignore\n"
    assert Taxonomy.from_rows(rows).to_text() == text
    assert Taxonomy.parse(text).to_text() == text


def test_the_flat_view_merges_background_and_drops_ignored_pixels():
    flat = Taxonomy.parse(PETS).flat()
    assert flat.names == ("background", "dog head", "dog body", "cat", "car")
    assert flat.num_classes == 5
    raw = np.array([[0, 1, 2, 3], [4, 9, 255, 0]], np.uint8)
    classes = flat.encode(raw)
    assert classes.dtype == np.int32
    assert classes.tolist() == [[0, 1, 2, 3], [4, 0, IGNORED, 0]]


def test_the_flat_view_may_end_at_a_depth():
    taxonomy = Taxonomy.parse(PETS)
    raw = np.array([1, 2, 3, 4, 9, 255])
    flat = taxonomy.flat(depth=0)
    assert flat.names == ("background", "animal", "car")
    assert flat.encode(raw).tolist() == [1, 1, 1, 2, 0, -1]
    flat = taxonomy.flat(depth=1)
    assert flat.names == ("background", "dog", "cat", "car")
    assert flat.encode(raw).tolist() == [1, 1, 2, 3, 0, -1]
    assert taxonomy.flat(depth=9).names == taxonomy.flat().names


def test_without_background_classes_start_at_the_first_line():
    flat = Taxonomy.parse("a = 5\nb = 2\nc = 3 ignore\n").flat()
    assert flat.names == ("a", "b")
    assert flat.encode(np.array([5, 2, 3])).tolist() == [0, 1, -1]
    hierarchy = Taxonomy.parse("a = 5\nb = 2\n").hierarchy()
    assert hierarchy.names == ("a", "b")


def test_the_hierarchy_has_inner_nodes_and_one_background():
    hierarchy = Taxonomy.parse(PETS).hierarchy()
    assert hierarchy.names == (
        *("background", "animal", "dog", "dog head", "dog body", "cat", "car"),
    )
    assert hierarchy.parents.tolist() == [-1, -1, 1, 2, 2, 1, -1]
    members = {
        name: np.flatnonzero(column).tolist()
        for name, column in zip(hierarchy.names, hierarchy.members.T, strict=True)
    }
    assert members["background"] == [0]
    assert members["animal"] == [1, 2, 3]
    assert members["dog"] == [1, 2]
    assert members["car"] == [4]
    above = hierarchy.contains()
    assert above[:, 3].tolist() == [False, True, True, True, False, False, False]


def test_parts_are_nodes_below_their_class_and_background_alone_is_none():
    taxonomy = Taxonomy.parse("dog = 7\n  head = 1\ncat = 2\n")
    assert taxonomy.flat().names == ("dog", "head", "cat")
    members = taxonomy.hierarchy().members  # the dog keeps what no part claims
    assert members.tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 1]]
    text = "things\n  dog = 1\nstuff\n  sky = 2 background\n  sea = 3 background\n"
    assert Taxonomy.parse(text).hierarchy().names == ("background", "things", "dog")


def test_unknown_ids_are_named_with_their_number_of_pixels():
    flat = Taxonomy.parse(PETS).flat()
    with pytest.raises(ValueError, match=r"0-4, 9, 255.*found 7 \(2 pixels\), 300 \(1"):
        flat.encode(np.array([[7, 7, 300, 0]]))
    with pytest.raises(ValueError, match=r"found -1 \(1 pixels\)"):
        flat.encode(np.array([-1]))


@st.composite
def _taxonomy_rows(draw):
    """Rows of any well-formed hierarchy.

    Not the taxonomy itself: beartype checks sequences at random places, which
    hypothesis does not allow while it draws.
    """
    name = st.text(
        st.characters(
            codec="utf-8", exclude_characters="=#", exclude_categories=["C", "Z"]
        ),
        min_size=1,
        max_size=5,
    )
    count = draw(st.integers(1, 8))
    ids = draw(st.permutations(range(20)))
    rows = [("first of all", int(ids[0]), 0, 0)]
    for index in range(1, count):
        depth = draw(st.integers(0, rows[-1][3] + 1))
        has_id = draw(st.booleans())
        rows.append(
            (
                f"{draw(name)} {index}",
                int(ids[index]) if has_id else None,
                0 if has_id else None,
                depth,
            )
        )
    # Groups need lines below them; classes without any may have another case.
    for index in range(count):
        label, raw_id, case, depth = rows[index]
        leaf = index + 1 == count or rows[index + 1][3] <= depth
        if leaf and raw_id is None:
            raw_id, case = int(ids[index]), 0
        if leaf and index:
            case = draw(st.sampled_from([0, 1, 2]))
        rows[index] = (label, raw_id, case, depth)
    return rows


@settings(max_examples=80, deadline=None)
@given(rows=_taxonomy_rows())
def test_what_is_written_is_read_back(tmp_path_factory, rows):
    taxonomy = Taxonomy.from_rows(rows)
    path = tmp_path_factory.getbasetemp() / "taxonomy.txt"
    path.write_text(taxonomy.to_text(), encoding="utf-8")
    found = Taxonomy.load(path)
    assert found.names == taxonomy.names
    for name in ("ids", "cases", "parents"):
        np.testing.assert_array_equal(getattr(found, name), getattr(taxonomy, name))


@settings(max_examples=80, deadline=None)
@given(rows=_taxonomy_rows())
def test_every_pixel_is_in_one_class_and_its_nodes_form_a_path(rows):
    taxonomy = Taxonomy.from_rows(rows)
    flat, hierarchy = taxonomy.flat(), taxonomy.hierarchy()
    counted = taxonomy.ids[
        (taxonomy.cases == Case.FOREGROUND) | (taxonomy.cases == Case.BACKGROUND)
    ]
    assert sorted(set(flat.encode(counted).tolist())) == list(range(flat.num_classes))
    assert hierarchy.members.shape == (flat.num_classes, len(hierarchy.names))
    contains = hierarchy.contains()
    for nodes in hierarchy.members:
        deepest = np.flatnonzero(nodes)[-1]
        np.testing.assert_array_equal(nodes, contains[:, deepest])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = 1\n   b = 2\n", r"pets.txt, line 2: expected two spaces.*'   '"),
        ("a = 1\n\tb = 2\n", r"line 2: expected two spaces.*replace tabs"),
        ("a\n    b = 2\n", r"line 2: 'b' is at depth 2.*at most 1"),
        ("  a = 1\n", r"line 1: 'a' is at depth 1.*at most 0"),
        ("a = one\n", r"line 1: expected an integer.*'one'"),
        ("a = -1\n", r"line 1: expected an integer.*'-1'"),
        ("a = \n", r"line 1: expected an integer.*''"),
        ("a = 1\nb = 1\n", r"line 2: id 1 of 'b' already belongs to 'a'.*line 1"),
        ("a = 1 thing\n", r"line 1: expected one of foreground, background, ignore"),
        ("= 1\n", r"line 1: '' cannot be a name"),
        ("a = 1\na = 2\n", r"line 2: the name 'a' is already in this group"),
        ("\n# words\na\nb = 2\n", r"line 3: 'a' has neither an id nor lines below"),
        ("a = 1 ignore\n  b = 2\n", r"line 2: 'b' lies below 'a'.*is ignore"),
        ("a = 1 ignore\n", r"pets.txt: expected at least one foreground or back"),
        ("", r"found 0 lines"),
        ("a = 99999999999\n", r"line 1: .*from 0 to 65535.*99999999999"),
    ],
)
def test_a_broken_line_is_named_with_its_number(tmp_path, text, message):
    path = tmp_path / "pets.txt"
    path.write_text(text)
    with pytest.raises(TaxonomyError, match=message):
        Taxonomy.load(path)


def test_rows_are_checked_too():
    with pytest.raises(TaxonomyError, match="row 2: 'b' has id 3 and case none"):
        Taxonomy.from_rows([("a", 1, 0, 0), ("b", 3, None, 0)])
    with pytest.raises(TaxonomyError, match="row 1: 'a#b' cannot be a name"):
        Taxonomy.from_rows([("a#b", 1, 0, 0)])


def test_line_ends_and_marks_of_other_systems_are_read_other_encodings_named(tmp_path):
    text = "\ufeffa = 1\r\ngroup\r\n  b = 2\r\n"
    assert Taxonomy.parse(text).names == ("a", "group", "b")
    path = tmp_path / "latin.txt"
    path.write_bytes("Straße = 1\n".encode("latin-1"))
    with pytest.raises(TaxonomyError, match=r"latin.txt: expected UTF-8 text.*byte 4"):
        Taxonomy.load(path)
