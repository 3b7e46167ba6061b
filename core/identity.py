"""Identity: one fingerprint, by content, of everything that must not be mixed up.

Two things have the same fingerprint if they are made of the same fields, arrays, weights and code, whatever their
`repr` says and wherever they lie in memory. It tells apart runs, resumed trainings, demonstrations and mechanisms.

| thing | what counts |
|---|---|
| numbers, text, arrays | type, shape and bits: -0.0 is not 0.0, 1 is not 1.0, a NaN is itself |
| lists and tuples, mappings, sets | what they hold: lists and tuples alike, mappings and sets without order |
| dataclasses | class and fields |
| tensors | class, type, shape and bits |
| other objects, such as networks and spaces | class, and what pickling would keep, less cached properties |
| functions | byte code, defaults, and what a closure holds; not the globals that they name |
| classes | name and, unless their package is installed or part of Python, members and bases |
| paths | the bytes of the file or of the folder's files; the text where nothing is there |

Random generators count with their state, except those of spaces, which sampling changes. Installed packages are told
apart by the versions that are kept beside the fingerprints.
"""

import copyreg
import dataclasses
import functools
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from enum import Enum
from hashlib import sha256
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, GetSetDescriptorType, MemberDescriptorType, MethodType
from types import ModuleType as Module
from typing import Any, TypeAlias

import numpy as np
from gymnasium import Space
from numpy.typing import NDArray

Digest: TypeAlias = Callable[[object], bytes]
"""The digest of a part of a thing."""


def fingerprint(thing: object) -> str:
    """Return the SHA-256 of what `thing` is made of, in hexadecimal digits.

    Raises
    ------
    TypeError
        If something in it has no content that can be told, such as a lock, a generator or an open file.
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


def _digest(thing: object, within: tuple[object, ...]) -> bytes:
    """Return the digest of `thing`, a part of the things `within`."""
    if not any(thing is outer for outer in within):
        parts = _parts(thing, lambda part: _digest(part, (*within, thing)))
    elif isinstance(thing, type | FunctionType):  # code may name itself
        parts = iter((b"again", thing.__qualname__.encode()))
    else:
        raise ValueError(f"`thing` must not contain itself; got a {type(thing).__name__} that does.")
    total = sha256()
    for part in parts:
        total.update(len(part).to_bytes(8, "little") + part)
    return total.digest()


def _parts(thing: Any, digest: Digest) -> Iterator[bytes]:  # noqa: ANN401 - anything
    """Yield the kind of a thing and what it is made of."""
    match thing:
        case Enum():
            yield from (b"enum", _name(type(thing)), thing.name.encode(), digest(thing.value))
        case None | bool() | int() | float() | complex() | str() | bytes() | bytearray():
            yield from _atom(thing)
        case np.ndarray() | np.generic():
            yield from _array(thing, digest)
        case Path():
            yield from _path(thing, digest)
        case range():
            yield from (b"range", repr(thing).encode())
        case Mapping() | Set() | Sequence() if _package(type(thing)) in sys.stdlib_module_names:
            yield from _container(thing, digest)
        case functools.partial():
            yield from (b"partial", *map(digest, (thing.func, thing.args, thing.keywords)))
        case property():
            yield from (b"property", *map(digest, (thing.fget, thing.fset)))
        case functools.cached_property():
            yield from (b"cached property", digest(thing.func))
        case MethodType():
            yield from (b"method", digest(thing.__func__), digest(thing.__self__))
        case classmethod() | staticmethod():
            yield from (type(thing).__name__.encode(), digest(thing.__func__))
        case FunctionType():
            yield from _function(thing, digest)
        case CodeType():
            yield from _code(thing, digest)
        case type():
            yield from _class(thing, digest)
        case Module():
            yield from (b"module", thing.__name__.encode())
        case BuiltinFunctionType():
            yield from (b"builtin", thing.__name__.encode(), digest(thing.__self__))
        case np.random.Generator():
            yield from (b"generator", digest(thing.bit_generator.state))
        case _ if isinstance(wrapped := getattr(thing, "__wrapped__", None), FunctionType):  # as `lru_cache` leaves it
            yield from (b"wrapped", digest(type(thing)), digest(wrapped))
        case _:
            yield from _object(thing, digest)


def _atom(thing: Any) -> Iterator[bytes]:  # noqa: ANN401 - a number, text, bytes or None
    match thing:
        case None | bool():
            yield repr(thing).encode()
        case int():
            yield from (b"int", hex(thing).encode())
        case float():
            yield from (b"float", float.hex(thing).encode())
        case complex():
            yield from (b"complex", thing.real.hex().encode(), thing.imag.hex().encode())
        case str():
            yield from (b"text", thing.encode("utf-8", "surrogatepass"))
        case _:
            yield from (b"bytes", bytes(thing))


def _array(array: NDArray[Any] | np.generic, digest: Digest) -> Iterator[bytes]:
    if isinstance(array, np.ma.MaskedArray):
        yield from (b"masked", digest(array.filled()), digest(np.ma.getmaskarray(array)))
        return
    plain = np.asarray(array)
    kind = repr(plain.dtype.descr) if plain.dtype.names else plain.dtype.str
    yield from (b"array", kind.encode(), repr(plain.shape).encode())
    yield digest(plain.tolist()) if plain.dtype.hasobject else plain.tobytes()


def _path(path: Path, digest: Digest) -> Iterator[bytes]:
    if path.is_file():
        yield from (b"file", path.read_bytes())
    elif path.is_dir():
        files = {file.relative_to(path).as_posix(): file for file in path.rglob("*") if file.is_file()}
        yield from (b"folder", digest(files))
    else:
        yield from (b"path", str(path).encode())


def _container(thing: Any, digest: Digest) -> Iterator[bytes]:  # noqa: ANN401 - a mapping, set or sequence
    if isinstance(thing, Mapping):
        yield from (b"mapping", *sorted(digest(key) + digest(value) for key, value in thing.items()))
    elif isinstance(thing, Set):
        yield from (b"set", *sorted(map(digest, thing)))
    elif thing and all(isinstance(each, float) for each in thing):  # long profiles, quickly
        yield from (b"floats", np.array(thing, dtype=float).tobytes())
    else:
        yield from (b"sequence", *map(digest, thing))


def _function(function: FunctionType, digest: Digest) -> Iterator[bytes]:
    held = [_held(cell) for cell in function.__closure__ or ()]
    yield b"function"
    yield from map(digest, (function.__code__, function.__defaults__, function.__kwdefaults__, held))


def _held(cell: Any) -> Any:  # noqa: ANN401 - whatever a closure holds
    try:
        return cell.cell_contents
    except ValueError:  # nothing yet
        return None


def _code(code: CodeType, digest: Digest) -> Iterator[bytes]:
    """Yield what runs: not the source, which may be missing, or younger than what was loaded from it."""
    yield from (b"code", code.co_code, code.co_exceptiontable)
    yield digest((code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags))
    yield from map(digest, (code.co_consts, code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars))


def _class(kind: type, digest: Digest) -> Iterator[bytes]:
    if _is_versioned(kind):
        yield from (b"class", _name(kind))
    else:
        members = {name: member for name, member in vars(kind).items() if _counts(name, member)}
        yield from (b"class", kind.__qualname__.encode(), digest(members), digest(kind.__bases__))


def _counts(name: str, member: object) -> bool:
    """Return whether a member of a class is more than Python's own notes on it."""
    if isinstance(member, MemberDescriptorType | GetSetDescriptorType) or name == "_abc_impl":
        return False
    return not name.startswith("__") or isinstance(member, FunctionType | classmethod | staticmethod)


def _object(thing: Any, digest: Digest) -> Iterator[bytes]:  # noqa: ANN401 - an object of any class
    yield from (b"object", digest(type(thing)))
    if hasattr(thing, "detach") and hasattr(thing, "cpu"):  # a tensor
        yield digest(np.asarray(thing.detach().cpu()))
    elif dataclasses.is_dataclass(thing) and not hasattr(thing, "state_dict"):
        yield digest({field.name: getattr(thing, field.name) for field in dataclasses.fields(thing)})
    else:
        yield digest(_kept(thing))


def _kept(thing: Any) -> Any:  # noqa: ANN401 - an object of any class
    """Return what pickling would keep of `thing`."""
    kind = type(thing)
    try:
        reduced: Any = copyreg.dispatch_table.get(kind, lambda one: one.__reduce_ex__(4))(thing)
    except TypeError:
        raise TypeError(f"`thing` must be made of fields, arrays, weights or code; got a {kind.__name__}.") from None
    if isinstance(reduced, str):
        return reduced
    made, arguments, state, *items = (*reduced, None, None, None)[:5]
    return made, arguments, _lasting(thing, state), [list(each) for each in items if each is not None]


def _lasting(thing: object, state: Any) -> Any:  # noqa: ANN401 - whatever state an object has
    """Leave out cached properties, and the generator of a space."""
    if isinstance(state, tuple):
        return [_lasting(thing, part) for part in state]
    if not isinstance(state, dict):
        return state
    drop = {"_np_random"} if isinstance(thing, Space) else set[str]()
    return {
        name: value
        for name, value in state.items()
        if name not in drop and not isinstance(getattr(type(thing), str(name), None), functools.cached_property)
    }


def _name(kind: type) -> bytes:
    return f"{kind.__module__}.{kind.__qualname__}".encode()


def _package(kind: type) -> str:
    return kind.__module__.partition(".")[0]


@functools.cache
def _is_versioned(kind: type) -> bool:
    """Return whether a class is part of Python, of this package or of an installed one: its name then tells it."""
    package = _package(kind)
    if package in {"walras", *sys.stdlib_module_names}:
        return True
    file = getattr(sys.modules.get(package), "__file__", None) or ""
    return not {"site-packages", "dist-packages"}.isdisjoint(Path(file).parts)
