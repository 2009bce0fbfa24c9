"""A method of one's own, from a function: of features, to labels or to a tree.

    def segment(features, image, *, num_regions=8):
        ...
        return labels

The function is called on the host, once for every image, with numpy arrays. It may be
plain numpy, or JAX, best under ``jax.jit``.
"""

import dataclasses
import functools
import inspect
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from uhseg_jax.backbones import PatchRequest
from uhseg_jax.hierarchy.tree import RegionTree
from uhseg_jax.images import ImageError
from uhseg_jax.memory import is_out_of_memory
from uhseg_jax.methods.fitted import Collection, Fitted
from uhseg_jax.methods.method import Method
from uhseg_jax.methods.returned import tree_of_returned
from uhseg_jax.python_files import failure, source_digest
from uhseg_jax.types import Float, Pixels

__all__ = ["FunctionMethod", "method_from"]

_IMAGE = "image"  # the parameter that an image is given to
_REQUEST = "request"  # the field of a config that says what is wanted of a backbone
_VALUES = (bool, int, float, str, types.NoneType)  # of parameters
_GRID = 37


@dataclasses.dataclass(frozen=True)
class FunctionMethod(Method):
    """A method that is a function on the host; see `method_from`.

    Attributes:
      function: of features, perhaps of an image, and of the parameters by their names.
      file: where its code is, as messages name it.
      code_sha256: digest of the code.
      takes_image: whether the function has a parameter ``image``.
    """

    name: str
    summary: str
    config: type
    function: Callable[..., Any]
    file: str
    code_sha256: str
    takes_image: bool
    refiner: str = "upsample"
    finer: str = Method.finer

    @property
    def presets(self) -> Mapping[str, Callable[[], Any]]:  # type: ignore[override]
        """The defaults of the function's parameters."""
        return {"default": self.config}

    def check_features(self, features: Any) -> None:
        """Whatever float32 can hold goes to the function."""
        largest = np.max(np.abs(features))
        if largest > np.finfo(np.float32).max:
            raise ValueError(
                "expected features that float32 can hold, but the largest is "
                f"{largest:.3g}; divide them by something."
            )

    def segment(self, features: Any, config: Any, graph: Any = None) -> Any:
        """Not for programs: see `tree_of`."""
        raise TypeError(f"method {self.name!r} is called on the host, by tree_of.")

    def settings(self, config: Any, identities: Iterable[str]) -> dict[str, Any]:
        """The parameters, and the code."""
        del identities
        return {**dataclasses.asdict(config), "code_sha256": self.code_sha256}

    def fit(self, segmenter: Any, collection: Collection) -> Fitted:
        """Nothing is learned: the segmenter takes every image by itself."""
        del collection
        fitted: Fitted = segmenter
        return fitted

    def tree_of(
        self,
        features: Float[np.ndarray, "h w d"],
        image: Pixels | None,
        config: Any,
    ) -> RegionTree:
        """What the function finds in an image.

        Args:
          features: of its patches.
          image: RGB; None where there are features alone.
          config: the parameters.

        Returns:
          A tree with numpy arrays whose labels have the size of the patch grid or,
          where there is an image, of the image.

        Raises:
          images.ImageError: the function failed, or returned something else; the
            message names its file and line.
          ValueError: the function takes an image, and there is none.
          MemoryError, JaxRuntimeError: there is not enough memory.
        """
        given = {
            x.name: getattr(config, x.name)
            for x in dataclasses.fields(config)
            if x.name != _REQUEST
        }
        if self.takes_image:
            if image is None:
                raise ValueError(
                    f"method {self.name!r} takes an image, but there are features "
                    "alone; give the image as well."
                )
            given[_IMAGE] = np.array(image)  # its own, to write to
        try:
            returned = self.function(np.array(features, np.float32), **given)
            returned = jax.device_get(getattr(returned, "tree", returned))
        except (Exception, SystemExit) as error:  # whatever the user's code raises
            if is_out_of_memory(error):
                raise
            raise ImageError(
                f"{failure(error, self.file)}; mend the function {self._function}."
            ) from error
        sizes = {features.shape[:2]} | (
            {image.shape[:2]} if image is not None else set()
        )
        try:
            return tree_of_returned(returned, sizes)
        except ValueError as error:
            line = _first_line(self.function)
            where = f"{self.file}, line {line}" if line else self.file
            raise ImageError(f"{where}: {self._function} returned {error}") from error

    @property
    def _function(self) -> str:
        return self.name.rpartition(":")[2]


def method_from(
    function: Callable[..., Any],
    *,
    name: str | None = None,
    request: PatchRequest | None = None,
) -> FunctionMethod:
    """A method from a function.

        >>> import numpy as np, uhseg_jax
        >>> def halves(features, *, column=2):
        ...     labels = np.zeros(features.shape[:2], int)
        ...     labels[:, column:] = 1
        ...     return labels
        >>> features = np.ones((3, 4, 5), np.float32)
        >>> uhseg_jax.segment_features(features, method=halves).cut(depth=1)
        array([[1, 1, 2, 2],
               [1, 1, 2, 2],
               [1, 1, 2, 2]], dtype=int32)

    Args:
      function: of features float32 ``[h, w, d]``, its first parameter; a parameter
        ``image`` is given the image, uint8 ``[H, W, 3]``. All others have defaults,
        which are numbers, texts, truth values, None or tuples of such: they are the
        parameters of the method, as ``--config.NAME=VALUE`` sets them. It returns
        labels, integers of any values, of which each is a region, or several such maps
        from coarse to fine, ``[l, h, w]`` (`hierarchy.levels`), or a `RegionTree`. The
        labels are those of the patches ``[h, w]`` or, where there is an image, of its
        pixels ``[H, W]``.
      name: what to call it; None: as the function is called.
      request: what is wanted of a backbone; None: tokens of the last block, 37 x 37.

    Raises:
      ValueError: the function has other parameters; the message names them.
    """
    inner = _innermost(function)
    file = _file_of(inner)
    own = name or str(getattr(inner, "__name__", type(inner).__name__))
    config, takes_image = _config_of(function, own, request or PatchRequest(grid=_GRID))
    return FunctionMethod(
        name=own,
        summary="a function of one's own",
        config=config,
        function=function,
        file=file,
        code_sha256=source_digest(inner),
        takes_image=takes_image,
    )


def _innermost(function: Callable[..., Any]) -> Callable[..., Any]:
    """What has the code, below decorators and below parameters that are fixed."""
    inner = inspect.unwrap(function)
    while isinstance(inner, functools.partial):
        inner = inspect.unwrap(inner.func)
    return inner


def _config_of(
    function: Callable[..., Any], name: str, request: PatchRequest
) -> tuple[type, bool]:
    """The frozen config of a function's parameters; whether it takes an image."""
    where = f"function {name}"
    try:
        parameters = [*inspect.signature(function).parameters.values()]
        hints = _hints(function)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: its parameters are not known ({error}).") from error
    by_name = {
        x.name: x for x in parameters if x.kind not in (x.VAR_POSITIONAL, x.VAR_KEYWORD)
    }
    first, others = [*by_name.values()][:1], [*by_name.values()][1:]
    if not first or first[0].kind is first[0].KEYWORD_ONLY or first[0].name == _IMAGE:
        raise ValueError(
            f"{where}: expected features as the first parameter, as in def "
            "segment(features), but there is none."
        )
    fields: list[Any] = [(_REQUEST, PatchRequest, dataclasses.field(default=request))]
    for one in others:
        if one.name == _IMAGE:
            continue
        if one.default is one.empty or one.name == _REQUEST:
            raise ValueError(
                f"{where}: expected features, image and parameters with defaults, but "
                f"the parameter {one.name!r} is none of these; give it a default"
                f"{' and another name' if one.name == _REQUEST else ''}."
            )
        default = _frozen(one.default, f"{where}: the parameter {one.name!r}")
        kind = hints.get(one.name, type(default))
        fields.append((one.name, kind, dataclasses.field(default=default)))
    config = dataclasses.make_dataclass("Config", fields, frozen=True)
    config.__module__ = __name__
    config.__doc__ = _described(function, name, [x for x, *_ in fields[1:]])
    return config, _IMAGE in by_name


def _described(function: Any, name: str, parameters: Sequence[str]) -> str:
    """What help says of a config; of its fields what the function says of them."""
    said = inspect.getdoc(function) or ""
    lines = [f"  {_REQUEST}: the features of patches, where a backbone gives them."]
    for one in parameters:
        found = re.search(rf"^\s*{one}\b[^:\n]*:\s*(\S.*)$", said, re.MULTILINE)
        lines.append(f"  {one}: {found[1] if found else 'of the function.'}")
    return "\n".join([f"The parameters of {name}.", "", "Attributes:", *lines, ""])


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    """The annotated types of parameters, as far as they can be evaluated."""
    try:
        return typing.get_type_hints(_innermost(function))
    except Exception:  # names that are known to type checkers alone
        return {}


def _frozen(value: Any, what: str) -> Any:
    """A default that a config can hold."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (list, tuple)):
        return tuple(_frozen(x, what) for x in value)
    if not isinstance(value, _VALUES):
        raise ValueError(
            f"{what} has a {type(value).__name__} as its default; expected a number, a "
            "text, a truth value, None or a tuple of these."
        )
    return value


def _file_of(function: Any) -> str:
    try:
        return inspect.getsourcefile(function) or "<function>"
    except TypeError:  # of an object, or built in
        return f"<{getattr(function, '__module__', None) or 'function'}>"


def _first_line(function: Any) -> int | None:
    code = getattr(_innermost(function), "__code__", None)
    return code.co_firstlineno if code else None
