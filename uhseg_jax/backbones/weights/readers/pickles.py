"""Pickles of torch read as data: a machine that builds containers and nothing else.

A pickle is a program for a small stack machine, and Python's own machine calls whatever
the program names. This one knows no call. Names stand for the entries of one table
(`torch_symbols`), most of which keep their arguments and do nothing; a name that is not
in the table is refused. No instruction reaches an attribute, a module or a method of an
object, so there is nothing that a hostile program could be led to.

Python's decoder of instructions (`pickletools.genops`) does the parsing.
"""

import dataclasses
import pickletools
from collections.abc import Callable
from typing import Any

from uhseg_jax.backbones.weights.readers.lazy import RefusedError

_MOST_STEPS = 5_000_000  # the checkpoint of a training run takes some fifty thousand

# Instructions that push what they carry, and those that push something new.
# fmt: off
_PUSH = frozenset([
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT",
    "BINFLOAT", "STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES",
    "BINBYTES8", "BYTEARRAY8", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE",
    "BINUNICODE8",
])
# fmt: on
_NEW: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_SET": list,
    "EMPTY_DICT": dict,
    "EMPTY_TUPLE": tuple,
}
_SHORT_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


@dataclasses.dataclass(frozen=True, eq=False)
class Symbol:
    """What a name of a class or function in a pickle stands for.

    Attributes:
      name: module and name, for messages.
      build: makes a value from the arguments; our own, whatever the name says.
    """

    name: str
    build: Callable[..., Any]


@dataclasses.dataclass(eq=False, slots=True)
class Inert:
    """An object that the pickle describes and that is not made.

    Attributes:
      name: of its class.
      state: what the pickle says its attributes are.
    """

    name: str
    state: Any = None


def load(
    stream: Any,
    *,
    find: Callable[[str, str], Any],
    persistent: Callable[[Any], Any],
) -> Any:
    """Reads one pickle; the stream is left behind its end.

    Args:
      stream: a binary file or a map of one, where the pickle begins.
      find: what a module and a name stand for; a `Symbol` if it can be called.
      persistent: what a persistent id stands for.

    Returns:
      Values of Python's plain types (sets become lists), those of ``find`` and
      ``persistent``, and `Inert` ones.

    Raises:
      RefusedError: it names what is not in the table, or misuses what is.
      Exception: of any kind, if it is not a pickle.
    """
    machine = _Machine(find, persistent)
    for count, (instruction, argument, _) in enumerate(pickletools.genops(stream)):
        if count > _MOST_STEPS:
            raise RefusedError(
                f"its pickle has more than {_MOST_STEPS:,} instructions."
            )
        machine.step(instruction.name, argument)
    if len(machine.stack) != 1 or machine.below:
        raise ValueError("its pickle does not end with one value")
    return machine.stack[0]


class _Machine:
    """The stack, the stacks below the marks, and what was put aside."""

    def __init__(self, find: Any, persistent: Any):
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.find = find
        self.persistent = persistent

    def step(self, name: str, argument: Any) -> None:
        """Carries out one instruction."""
        if name in _PUSH:
            self.stack.append(argument)
        elif name in _NEW:
            self.stack.append(_NEW[name]())
        elif name in _SHORT_TUPLES:
            items = [self.stack.pop() for _ in range(_SHORT_TUPLES[name])]
            self.stack.append(tuple(reversed(items)))
        elif name not in ("PROTO", "FRAME", "STOP"):
            act = getattr(self, f"on_{name.lower()}", None)
            if act is None:
                raise RefusedError(f"its pickle uses {name}, which torch does not.")
            act(argument)

    def on_mark(self, _: None) -> None:
        self.below.append(self.stack)
        self.stack = []

    def since_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.below.pop()
        return items

    def on_pop(self, _: None) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self.since_mark()

    def on_pop_mark(self, _: None) -> None:
        self.since_mark()

    def on_dup(self, _: None) -> None:
        self.stack.append(self.stack[-1])

    def on_put(self, argument: int) -> None:
        self.memo[argument] = self.stack[-1]

    on_binput = on_long_binput = on_put

    def on_memoize(self, _: None) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def on_get(self, argument: int) -> None:
        self.stack.append(self.memo[argument])

    on_binget = on_long_binget = on_get

    def on_tuple(self, _: None) -> None:
        items = self.since_mark()
        self.stack.append(tuple(items))

    def on_list(self, _: None) -> None:
        items = self.since_mark()
        self.stack.append(items)

    on_frozenset = on_list

    def on_dict(self, _: None) -> None:
        items = self.since_mark()
        self.stack.append({})
        self.fill(items)

    def on_append(self, _: None) -> None:
        self.extend([self.stack.pop()])

    def on_appends(self, _: None) -> None:
        self.extend(self.since_mark())

    on_additems = on_appends

    def extend(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not list:
            raise RefusedError(f"its pickle appends to a {_kind(target)}.")
        target.extend(items)

    def on_setitem(self, _: None) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self.fill([key, value])

    def on_setitems(self, _: None) -> None:
        self.fill(self.since_mark())

    def fill(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not dict:
            raise RefusedError(f"its pickle sets items of a {_kind(target)}.")
        target.update(mapping(zip(items[::2], items[1::2], strict=True)))

    def on_global(self, argument: str) -> None:
        self.stack.append(self.find(*argument.split(" ", 1)))

    def on_stack_global(self, _: None) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        if type(name) is not str or type(module) is not str:
            raise RefusedError("its pickle asks for a name that is not a text.")
        self.stack.append(self.find(module, name))

    def on_reduce(self, _: None) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        self.stack.append(call(function, arguments))

    on_newobj = on_reduce

    def on_newobj_ex(self, _: None) -> None:
        self.stack.pop()  # named arguments, which no builder of ours takes
        self.on_reduce(None)

    def on_obj(self, _: None) -> None:
        function, *arguments = self.since_mark()
        self.stack.append(call(function, tuple(arguments)))

    def on_inst(self, argument: str) -> None:
        arguments = self.since_mark()
        self.stack.append(call(self.find(*argument.split(" ", 1)), tuple(arguments)))

    def on_build(self, _: None) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if type(target) is Inert:
            target.state = state
        # Attributes of anything else (_metadata of a state dict) mean nothing to us.

    def on_binpersid(self, _: None) -> None:
        self.stack.append(self.persistent(self.stack.pop()))

    def on_persid(self, argument: str) -> None:
        self.stack.append(self.persistent(argument))


def call(function: Any, arguments: Any) -> Any:
    """What a pickle gets for calling a symbol of the table.

    Args:
      function: what it calls.
      arguments: with what.

    Raises:
      RefusedError: it calls something else, or with arguments that do not fit.
    """
    if type(function) is not Symbol or type(arguments) is not tuple:
        raise RefusedError(f"its pickle calls a {_kind(function)}.")
    try:
        return function.build(*arguments)
    except TypeError as error:
        raise RefusedError(
            f"its pickle calls {function.name} in an unknown way."
        ) from error


def mapping(pairs: Any) -> dict[Any, Any]:
    """A dict of pairs whose keys are plain values.

    Args:
      pairs: of keys and values.

    Raises:
      RefusedError: a key is a container, which may take forever to hash.
    """
    found = {}
    for key, value in pairs:
        if type(key) not in (str, bytes, int, float, bool, type(None)):
            raise RefusedError(f"its pickle has a {_kind(key)} as a key.")
        found[key] = value
    return found


def _kind(value: Any) -> str:
    """A value in messages; never the value itself, which may be endless."""
    if type(value) in (Symbol, Inert):
        return value.name[:100]
    return type(value).__name__
