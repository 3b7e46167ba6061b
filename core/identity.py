"""Identity: one fingerprint, by content, of everything that must not be mixed up.

Two things have the same fingerprint if they are made of the same fields, arrays, weights and code, whatever their
`repr` says and wherever they lie in memory. It tells apart runs, resumed trainings, demonstrations and mechanisms.

| thing | what counts |
|---|---|
| numbers, text, arrays, tensors | type, shape and bits; lists and tuples count alike, mappings and sets without order |
| dataclasses and other objects | class, and fields or public attributes |
| what has a `state_dict` | class, weights, public attributes |
| functions, and classes that are not of this package | source, defaults, and what a closure holds |
| paths | the bytes of the file or of the folder's files; the text where nothing is there |
"""

import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from enum import Enum
from hashlib import sha256
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray


def fingerprint(thing: object) -> str:
    """Return the SHA-256 of what `thing` is made of, in hexadecimal digits.

    Raises
    ------
    TypeError
        If something in it has no content that can be told: no fields, attributes, state or source.
    ValueError
        If it contains itself.

    Examples
    --------
    >>> import numpy as np
    >>> from walras.core import fingerprint
    >>> fingerprint({"a": np.zeros(2), "b": [1, 2]}) == fingerprint({"b": (1, 2), "a": np.zeros(2)})
    True
    >>> fingerprint(np.zeros(2)) == fingerprint(np.zeros(2, dtype=np.float32))
    False
    """
    return _digest(thing, ()).hex()


def _digest(thing: object, within: tuple[int, ...]) -> bytes:
    if id(thing) in within:
        raise ValueError(f"`thing` must not contain itself; got a {type(thing).__name__} that does.")
    total = sha256()
    for part in _parts(thing):
        content = part if isinstance(part, bytes) else _digest(part, (*within, id(thing)))
        total.update(len(content).to_bytes(8, "little") + content)
    return total.digest()


def _parts(thing: Any) -> Iterator[object]:  # noqa: ANN401 - anything
    """Yield a tag and what the thing is made of: bytes, or things in their turn."""
    match thing:
        case None | bool() | int() | str() | complex():
            yield from (type(thing).__name__.encode(), repr(thing).encode())
        case float():
            yield from (b"float", thing.hex().encode())
        case bytes() | bytearray():
            yield from (b"bytes", bytes(thing))
        case Enum():
            yield from (b"enum", _name(type(thing)), thing.name.encode())
        case np.ndarray() | np.generic():
            yield from _array(np.asarray(thing))
        case Path():
            yield from _path(thing)
        case Mapping():
            yield from (b"mapping", *_entries(thing))
        case Set():
            yield from (b"set", *sorted(map(fingerprint, thing)))
        case functools.partial():
            yield from (b"partial", thing.func, thing.args, thing.keywords)
        case MethodType():
            yield from (b"method", thing.__func__, thing.__self__)
        case FunctionType():
            yield from _function(thing)
        case type():
            yield from (b"class", _name(thing), _source(thing))
        case ModuleType() | BuiltinFunctionType():
            yield from (b"named", f"{getattr(thing, '__module__', '')}.{thing.__name__}".encode())
        case Sequence():
            yield from (b"sequence", *thing)
        case np.random.Generator():
            yield from (b"generator", thing.bit_generator.state)
        case _:
            yield from _object(thing)


def _entries(mapping: Mapping[Any, Any]) -> Iterator[object]:
    by_key = {fingerprint(key): value for key, value in mapping.items()}
    for key in sorted(by_key):
        yield from (key, by_key[key])


def _array(array: NDArray[Any]) -> Iterator[object]:
    yield from (b"array", array.dtype.str.encode(), repr(array.shape).encode())
    yield array.tolist() if array.dtype.hasobject else array.tobytes()


def _path(path: Path) -> Iterator[object]:
    if path.is_file():
        yield from (b"file", path.read_bytes())
    elif path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        yield from (b"folder", *((str(file.relative_to(path)), file) for file in files))
    else:
        yield from (b"path", str(path).encode())


def _function(function: FunctionType) -> Iterator[object]:
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    yield from (b"function", _source(function), function.__defaults__, function.__kwdefaults__, cells)


def _object(thing: Any) -> Iterator[object]:  # noqa: ANN401 - an object of any class
    yield from (b"object", type(thing))
    if dataclasses.is_dataclass(thing):
        yield {field.name: getattr(thing, field.name) for field in dataclasses.fields(thing)}
    elif callable(state := getattr(thing, "state_dict", None)):
        yield from (state(), _attributes(thing))
    elif hasattr(thing, "detach"):  # a tensor
        yield np.asarray(thing.detach().cpu())
    elif hasattr(thing, "__dict__"):
        yield _attributes(thing)
    else:
        raise TypeError(f"`thing` must be made of fields, arrays, weights or code; got a {type(thing).__name__}.")


def _attributes(thing: object) -> dict[str, Any]:
    return {name: value for name, value in vars(thing).items() if not name.startswith("_")}


def _name(kind: type) -> bytes:
    return f"{kind.__module__}.{kind.__qualname__}".encode()


def _source(code: Callable[..., Any]) -> bytes:
    """Return the source of a function, or of a class that is not of this package; its name where there is none."""
    if isinstance(code, type) and code.__module__.partition(".")[0] in _VERSIONED:
        return b""
    try:
        return inspect.getsource(code).encode()
    except (OSError, TypeError):
        return f"{code.__module__}.{code.__qualname__}".encode()


_VERSIONED = {"builtins", "walras", "numpy", "torch", "gymnasium"}
"""Packages whose classes are told apart by name: their versions are kept beside the fingerprints."""
