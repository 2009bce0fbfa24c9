"""Pickles of torch read as data: a machine that builds containers and nothing else.

A pickle is a program for a small stack machine, and Python's own machine calls whatever
the program names. This one knows no call. Names stand for the entries of one table
(`torch_symbols`), most of which keep their arguments and do nothing; a name that is not
in the table is refused. No instruction reaches an attribute, a module or a method of an
object, so there is nothing that a hostile program could be led to.

An allow-list on `pickle.Unpickler` would not do. Ten bytes that put a value far out in
its memo make it allocate gigabytes, a nested tuple as the key of a dict makes it hash
for ever, and neither passes through a method that can be overridden. Python's decoder
of instructions (`pickletools.genops`) has neither fault and does the parsing.
"""

import dataclasses
import pickletools
from collections.abc import Callable
from typing import Any

from uhseg_jax.backbones.weights.readers.lazy import RefusedError

__all__ = ["Inert", "Symbol", "load", "mapping"]

_MOST_STEPS = 1_000_000  # the checkpoint of a training run takes some fifty thousand
# Items that calls are given, each as often as it is: one list, named over and over,
# would be copied to gigabytes.
_MOST_ITEMS = 3_000_000
_LONGEST_NAME = 500  # of a class or function
_LARGEST_KEY = 2**60  # larger integers can have the same hash as others

# Instructions that push the number or text that they carry.
# fmt: off
_PUSH = frozenset([
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT",
    "BINFLOAT", "STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES",
    "BINBYTES8", "BYTEARRAY8", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE",
    "BINUNICODE8",
])
# fmt: on
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}


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
      find: gives what a module and a name stand for; a `Symbol` if it can be called.
      persistent: gives what a persistent id stands for.

    Returns:
      Values of Python's plain types (sets become lists), those of ``find`` and
      ``persistent``, and `Inert` ones.

    Raises:
      RefusedError: it names what is not in the table, or misuses what is.
      Exception: of any kind, if it is not a pickle.
    """
    stack: list[Any] = []
    below: list[list[Any]] = []  # for each mark, the stack that was there before it
    memo: dict[int, Any] = {}
    left = _Allowance(_MOST_ITEMS)
    for count, (instruction, carried, _) in enumerate(pickletools.genops(stream)):
        if count > _MOST_STEPS:
            raise RefusedError(
                f"its pickle has more than {_MOST_STEPS:,} instructions."
            )
        argument: Any = carried
        items = stack  # since the last mark
        match instruction.name:
            case "PROTO" | "FRAME" | "STOP":
                pass
            case name if name in _PUSH:
                stack.append(argument)
            case name if name in _CONSTANTS:
                stack.append(_CONSTANTS[name])
            case "EMPTY_LIST" | "EMPTY_SET":
                stack.append([])
            case "EMPTY_DICT":
                stack.append({})
            case "MARK":
                below.append(stack)
                stack = []
            case "POP" if stack:
                stack.pop()
            case "POP" | "POP_MARK":
                stack = below.pop()
            case "DUP":
                stack.append(stack[-1])
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                memo[argument] = stack[-1]
            case "MEMOIZE":
                memo[len(memo)] = stack[-1]
            case "GET" | "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])
            case "TUPLE1" | "TUPLE2" | "TUPLE3" as name:
                last = [stack.pop() for _ in range(int(name[-1]))]
                stack.append(tuple(reversed(last)))
            case "TUPLE":
                stack = below.pop()
                stack.append(tuple(items))
            case "LIST" | "FROZENSET":
                stack = below.pop()
                stack.append(items)
            case "DICT":
                stack = below.pop()
                stack.append({})
                _fill(stack[-1], items)
            case "APPEND":
                value = stack.pop()
                _extend(stack[-1], [value])
            case "APPENDS" | "ADDITEMS":
                stack = below.pop()
                _extend(stack[-1], items)
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                _fill(stack[-1], [key, value])
            case "SETITEMS":
                stack = below.pop()
                _fill(stack[-1], items)
            case "GLOBAL":
                stack.append(_find(find, *argument.split(" ", 1)))
            case "STACK_GLOBAL":
                symbol, module = stack.pop(), stack.pop()
                if type(symbol) is not str or type(module) is not str:
                    raise RefusedError("its pickle asks for a name that is not a text.")
                stack.append(_find(find, module, symbol))
            case "REDUCE" | "NEWOBJ" | "NEWOBJ_EX" as name:
                if name == "NEWOBJ_EX":
                    stack.pop()  # named arguments, which no builder of ours takes
                arguments, function = stack.pop(), stack.pop()
                stack.append(_call(function, arguments, left))
            case "OBJ":
                stack = below.pop()
                stack.append(_call(items[0], tuple(items[1:]), left))
            case "INST":
                stack = below.pop()
                function = _find(find, *argument.split(" ", 1))
                stack.append(_call(function, tuple(items), left))
            case "BUILD":
                state = stack.pop()
                if type(stack[-1]) is Inert:
                    stack[-1].state = state
                # Attributes of anything else (_metadata of a state dict) are dropped.
            case "BINPERSID":
                left.take(stack[-1])
                stack.append(persistent(stack.pop()))
            case "PERSID":
                stack.append(persistent(argument))
            case name:
                raise RefusedError(f"its pickle uses {name}, which torch does not.")
    if len(stack) != 1 or below:
        raise ValueError("its pickle does not end with one value")
    return stack[0]


def _call(function: Any, arguments: Any, left: "_Allowance") -> Any:
    """What a pickle gets for calling a symbol of the table.

    Raises:
      RefusedError: it calls something else, with arguments that do not fit, or with too
        many.
    """
    if type(function) is not Symbol or type(arguments) is not tuple:
        raise RefusedError(f"its pickle calls a {_kind(function)}.")
    left.take(arguments)
    try:
        return function.build(*arguments)
    except TypeError as error:
        raise RefusedError(
            f"its pickle calls {function.name} in an unknown way."
        ) from error


def mapping(pairs: Any) -> dict[Any, Any]:
    """A dict of pairs whose keys are plain values.

    Args:
      pairs: keys and values.

    Raises:
      RefusedError: a key is a container, which may take forever to hash.
    """
    found = {}
    for key, value in pairs:
        if type(key) not in (str, bytes, int, float, bool, type(None)):
            raise RefusedError(f"its pickle has a {_kind(key)} as a key.")
        if type(key) is int and abs(key) >= _LARGEST_KEY:
            raise RefusedError("its pickle has an integer beyond 2**60 as a key.")
        found[key] = value
    return found


@dataclasses.dataclass
class _Allowance:
    """How many items the calls of a pickle may still be given."""

    items: int

    def take(self, arguments: Any) -> None:
        """Counts the arguments of a call, and what is in them, before it is made.

        Raises:
          RefusedError: there are too many.
        """
        if type(arguments) is not tuple:
            return
        self.items -= len(arguments)
        self.items -= sum(len(x) for x in arguments if type(x) in (tuple, list))
        if self.items < 0:
            raise RefusedError(
                f"its pickle passes on more than {_MOST_ITEMS:,} items of lists."
            )


def _find(find: Callable[[str, str], Any], module: str, name: str) -> Any:
    if len(module) + len(name) > _LONGEST_NAME:
        raise RefusedError(
            f"its pickle asks for a name of more than {_LONGEST_NAME} characters."
        )
    return find(module, name)


def _extend(target: Any, items: list[Any]) -> None:
    if type(target) is not list:
        raise RefusedError(f"its pickle appends to a {_kind(target)}.")
    target.extend(items)


def _fill(target: Any, items: list[Any]) -> None:
    if type(target) is not dict:
        raise RefusedError(f"its pickle sets items of a {_kind(target)}.")
    target.update(mapping(zip(items[::2], items[1::2], strict=True)))


def _kind(value: Any) -> str:
    """A value in messages; never the value itself, which may be endless."""
    if type(value) in (Symbol, Inert):
        return value.name[:100]
    return type(value).__name__
