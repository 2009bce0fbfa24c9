"""Tables of things that have names: methods, refiners, exporters, protocols, models."""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol, TypeVar, runtime_checkable

__all__ = ["Named", "Registry", "suggest"]


@runtime_checkable
class Named(Protocol):
    """What can be registered."""

    @property
    def name(self) -> str:
        """Under which it is found."""
        ...


Entry = TypeVar("Entry", bound=Named)


def suggest(name: str, known: Iterable[str]) -> str:
    """A question after a message: " Did you mean 'x'?", or nothing.

    Args:
      name: the name that was not found.
      known: the names that there are.
    """
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


class Registry(Mapping[str, Entry]):
    """A read-only table of entries by their names, in the order given.

    Args:
      kind: what an entry is called in messages, as in "unknown method 'x'".
      entries: one line of code for each.

    Raises:
      ValueError: two entries have one name, so that one would never be found.
    """

    def __init__(self, kind: str, entries: Iterable[Entry]):
        self._kind = kind
        self._entries: dict[str, Entry] = {}
        for entry in entries:
            if entry.name in self._entries:
                raise ValueError(
                    f"expected every {kind} under a name of its own, but two are "
                    f"called {entry.name!r}: {self._entries[entry.name]!r} and "
                    f"{entry!r}."
                )
            self._entries[entry.name] = entry

    def __getitem__(self, name: str) -> Entry:
        """The entry of that name.

        Raises:
          KeyError: there is none; `find` says so in a sentence.
        """
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, name: str) -> Entry:
        """The entry of that name.

        Raises:
          ValueError: there is none; the message lists those there are.
        """
        if name in self._entries:
            return self._entries[name]
        raise ValueError(
            f"unknown {self._kind} {name!r}; expected one of "
            f"{', '.join(self._entries)}.{suggest(str(name), self._entries)}"
        )
