"""The lines of a label-hierarchy file: reading, checking and writing them.

One class a line, two spaces of indentation a level:

    # Pets and vehicles; 255 marks borders
    background = 0 background
    animal
      dog
        dog head = 1
        dog body = 2
      cat = 3
    car = 4
    void = 255 ignore

``name = id case``: the id is the value in the label maps; the case is ``foreground``
(the default), ``background`` or ``ignore``. A line without an id groups the lines below
it; a foreground line with an id may group too (its own pixels are those that no part
claims). A ``#`` starts a comment. Names may hold spaces and anything but ``=`` and
``#``; no two lines of one group share a name, and no two lines at all an id.
"""

import dataclasses
import enum
from collections.abc import Sequence

__all__ = [
    "MAX_ID",
    "NO_ID",
    "NO_PARENT",
    "Case",
    "Row",
    "TaxonomyError",
    "link_lines",
    "parse_lines",
    "write_lines",
]

NO_ID = -1
"""Id of a line that only groups."""

NO_PARENT = -1
"""Parent of a class that lies in none."""

MAX_ID = 2**16 - 1  # label maps are images of at most 16 bits
_INDENT = "  "


class TaxonomyError(ValueError):
    """A label hierarchy is not well formed; the message says where and what to do."""


class Case(enum.IntEnum):
    """What a line's pixels are to the scores."""

    NONE = -1  # the line only groups
    FOREGROUND = 0
    BACKGROUND = 1
    IGNORE = 2


@dataclasses.dataclass(frozen=True)
class Row:
    """One line: what it says, and where it says so (for errors)."""

    where: str
    name: str
    raw_id: int
    case: Case
    depth: int


def parse_lines(text: str, *, source: str) -> list[Row]:
    """The lines of a text, without empty ones and comments, each checked by itself.

    Raises:
      TaxonomyError: indentation is not by two spaces a level, an id is no integer of
        at least 0, or a case is unknown.
    """
    rows = []
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        content = line.split("#")[0].rstrip()
        if content.strip():
            rows.append(_parse_line(f"{source}, line {number}", content))
    return rows


def write_lines(rows: Sequence[Row]) -> str:
    """The text that `parse_lines` reads back into the same lines."""
    lines = []
    for row in rows:
        ending = "" if row.raw_id == NO_ID else f" = {row.raw_id}"
        if row.case in (Case.BACKGROUND, Case.IGNORE):
            ending += f" {row.case.name.lower()}"
        lines.append(f"{_INDENT * row.depth}{row.name}{ending}\n")
    return "".join(lines)


def _parse_line(where: str, content: str) -> Row:
    """One line, without its comment, by itself."""
    stripped = content.lstrip()
    indent = content[: len(content) - len(stripped)]
    depth, rest = divmod(len(indent), len(_INDENT))
    if rest or indent.strip(" "):
        raise TaxonomyError(
            f"{where}: expected two spaces of indentation a level, but found "
            f"{indent!r}; replace tabs, and make the number of spaces even."
        )
    name, equals, ending = (part.strip() for part in stripped.partition("="))
    if not equals:
        return Row(where, name, NO_ID, Case.NONE, depth)
    raw_id, _, case = (part.strip() for part in ending.partition(" "))
    if not (raw_id.isascii() and raw_id.isdigit() and int(raw_id) <= MAX_ID):
        raise TaxonomyError(
            f"{where}: expected an integer from 0 to {MAX_ID} after '=', but found "
            f"{raw_id!r}; write 'name = id' or 'name = id case'."
        )
    cases = {one.name.lower(): one for one in Case if one != Case.NONE}
    if case and case not in cases:
        raise TaxonomyError(
            f"{where}: expected one of {', '.join(cases)} after the id, but found "
            f"{case!r}; leave it out for a foreground class."
        )
    return Row(where, name, int(raw_id), cases[case or "foreground"], depth)


def link_lines(rows: Sequence[Row], *, source: str) -> list[int]:
    """Checks the lines against one another and gives the parent of each.

    Raises:
      TaxonomyError: a level is skipped; a name is empty or given twice in its group; an
        id is given twice; a line has neither id nor lines below it; lines lie below
        background or ignored ids; no class counts.
    """
    parents: list[int] = []
    above: list[int] = []  # the open line of every level
    owners: dict[int, Row] = {}
    siblings: dict[tuple[int, str], Row] = {}
    for line, row in enumerate(rows):
        if row.depth > len(above):
            raise TaxonomyError(
                f"{row.where}: '{row.name}' is at depth {row.depth}, but the line "
                f"before it allows at most {len(above)}; indent by one level at a time."
            )
        del above[row.depth :]
        parent = above[-1] if above else NO_PARENT
        _check_row(row, rows[parent] if above else None, owners)
        first = siblings.setdefault((parent, row.name), row)
        if first is not row:
            raise TaxonomyError(
                f"{row.where}: the name '{row.name}' is already in this group "
                f"({first.where}); give the lines different names."
            )
        parents.append(parent)
        above.append(line)
    groups = set(parents)
    for line, row in enumerate(rows):
        if row.case == Case.NONE and line not in groups:
            raise TaxonomyError(
                f"{row.where}: '{row.name}' has neither an id nor lines below it; "
                "write 'name = id', or indent its parts below it."
            )
    if not any(row.case in (Case.FOREGROUND, Case.BACKGROUND) for row in rows):
        raise TaxonomyError(
            f"{source}: expected at least one foreground or background class, but "
            f"found {len(rows)} lines without one; write 'name = id' lines."
        )
    return parents


def _check_row(row: Row, parent: Row | None, owners: dict[int, Row]) -> None:
    """Checks one line against its parent and the ids above it."""
    if not row.name or row.name != row.name.strip() or set(row.name) & set("=#\n\r"):
        raise TaxonomyError(
            f"{row.where}: {row.name!r} cannot be a name; it needs at least one "
            "character, no spaces around it, and none of '=', '#' and line breaks."
        )
    if (row.raw_id == NO_ID) != (row.case == Case.NONE) or row.raw_id < NO_ID:
        raise TaxonomyError(
            f"{row.where}: '{row.name}' has id {row.raw_id} and case "
            f"{row.case.name.lower()}; give a line an id of at least 0 and a case, or "
            "neither."
        )
    if parent and parent.case in (Case.BACKGROUND, Case.IGNORE):
        raise TaxonomyError(
            f"{row.where}: '{row.name}' lies below '{parent.name}' ({parent.where}), "
            f"whose case is {parent.case.name.lower()}; only foreground classes and "
            "lines without an id have parts."
        )
    owner = owners.setdefault(row.raw_id, row)
    if row.raw_id != NO_ID and owner is not row:
        raise TaxonomyError(
            f"{row.where}: id {row.raw_id} of '{row.name}' already belongs to "
            f"'{owner.name}' ({owner.where}); give every class its own id."
        )
