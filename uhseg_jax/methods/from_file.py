"""Methods in files of users: ``FILE.py:FUNCTION`` as the name of a method."""

import dataclasses
import functools
import hashlib

from uhseg_jax.methods.from_function import FunctionMethod, method_from
from uhseg_jax.own_code import OwnCode, find_in_file

__all__ = ["method_in_file"]


def method_in_file(name: str) -> FunctionMethod:
    """The method that a function in a file makes; see `method_from`.

    Args:
      name: ``FILE.py:FUNCTION``, the file by its path.

    Raises:
      ValueError: as `own_code.find_in_file`, or the function is no method.
    """
    return _method(
        find_in_file(name, kind="method", expected="function", is_one=callable)
    )


@functools.lru_cache(maxsize=16)
def _method(own: OwnCode) -> FunctionMethod:
    try:
        made = method_from(own.value, name=own.name)
    except ValueError as error:
        raise ValueError(f"{own.file}: {error}") from error
    digest = own.code_sha256
    if made.code_sha256 != digest:  # the function is of another file; both count
        both = f"{digest} {made.code_sha256}"
        digest = hashlib.sha256(both.encode()).hexdigest()
    return dataclasses.replace(made, code_sha256=digest)
