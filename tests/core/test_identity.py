import functools
import os
import subprocess
import sys
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from enum import Enum, IntEnum
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from walras.core import AbstractGame, fingerprint
from walras.envs import CournotMarket, DayAheadMarket, ResourceAllocation
from walras.markets.electricity.generation import Conditions
from walras.mechanisms import Dense, ExSNet, RPFNet


class Colour(Enum):
    RED = 1
    BLUE = 2


class Level(IntEnum):
    LOW = 1


class Point(NamedTuple):
    x: float
    y: float


class Pair(NamedTuple):
    x: float
    y: float


@dataclass(frozen=True)
class Profile:
    load: Any
    name: str = field(default="load", repr=False)

    def __repr__(self) -> str:
        return "Profile()"

    @cached_property
    def mean(self) -> float:
        return float(np.mean(self.load))


@dataclass(frozen=True)
class OtherProfile:
    load: Any
    name: str = "load"


class Rule:
    def __init__(self, gain: float) -> None:
        self._gain = gain

    @cached_property
    def doubled(self) -> float:
        return 2 * self._gain

    def act(self, x: float) -> float:
        return self._gain * x

    def __len__(self) -> int:  # neither a sequence nor without content
        return 0


class Slotted:
    __slots__ = ("gain",)

    def __init__(self, gain: float) -> None:
        self.gain = gain


class Table(dict[str, float]):
    unit = "MW"


@dataclass(eq=False)
class Declared(nn.Module):
    width: int

    def __post_init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, self.width)


def times(factor: float) -> Callable[[float], float]:
    return lambda x: factor * x


def shifted(x: float, by: float = 1.0, *, scale: float = 1.0) -> float:
    return scale * (x + by)


def shifted_more(x: float, by: float = 2.0, *, scale: float = 1.0) -> float:
    return scale * (x + by)


def shifted_and_scaled(x: float, by: float = 1.0, *, scale: float = 2.0) -> float:
    return scale * (x + by)


def linear(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Linear(3, 2)


def written(code: str) -> Any:  # noqa: ANN401 - whatever the code names `f`
    """Return `f` of code that stands in no file, as in a notebook."""
    scope: dict[str, Any] = {"__name__": "notebook"}
    exec(code, scope)
    return scope["f"]


ZEROS = np.zeros(3)

DIFFERENT = {
    "type of number": (1, 1.0),
    "truth and one": (True, 1),
    "none and its text": (None, "None"),
    "text and bytes": ("a", b"a"),
    "sign of zero": (0.0, -0.0),
    "sign of a complex zero": (complex(1, 0.0), complex(1, -0.0)),
    "large integers": (10**5000, 10**5000 + 1),
    "last bit of a number": (0.1, np.nextafter(0.1, 1)),
    "lone surrogates": ("\ud800", "\ud801"),
    "members of enums": (Colour.RED, Colour.BLUE),
    "enum and its number": (Level.LOW, 1),
    "one bit of an array": (ZEROS, np.array([0.0, 0.0, 5e-324])),
    "sign of zero in an array": (ZEROS, -ZEROS),
    "dtype": (ZEROS, ZEROS.astype(np.float32)),
    "byte order": (ZEROS, ZEROS.astype(">f8")),
    "shape": (ZEROS, ZEROS[None]),
    "number and scalar of another type": (1.0, np.float32(1.0)),
    "names of columns": (np.zeros(2, [("a", "f8")]), np.zeros(2, [("b", "f8")])),
    "units of time": (np.array([1], "M8[h]"), np.array([1], "M8[D]")),
    "objects in an array": (np.array([None, 1], dtype=object), np.array([None, 2], dtype=object)),
    "mask": (np.ma.array(ZEROS, mask=[0, 0, 1]), np.ma.array(ZEROS, mask=[0, 1, 0])),
    "order of a list": ([1, 2], [2, 1]),
    "nesting": ([1, [2]], [[1], 2]),
    "empty and none": ([], None),
    "mapping and pairs": ({"a": 1}, [("a", 1)]),
    "values of a mapping": ({"a": 1, "b": 2}, {"a": 2, "b": 1}),
    "keys of a mapping": ({1: "a"}, {1.0: "a"}),
    "sets": ({1, 2}, {1, 3}),
    "set and list": ({1}, [1]),
    "bytes that are a digest": ([1], [bytes.fromhex(fingerprint(1))]),
    "classes of tuples": (Point(1.0, 2.0), Pair(1.0, 2.0)),
    "ranges": (range(3), range(0, 4)),
    "subclass of a mapping": (Table(a=1.0), {"a": 1.0}),
    "arrays in dataclasses that print alike": (Profile(ZEROS), Profile(ZEROS + 1)),
    "hidden fields": (Profile(1.0, "a"), Profile(1.0, "b")),
    "classes of dataclasses": (Profile(1.0), OtherProfile(1.0)),
    "dataclass and its fields": (Profile(1.0), {"load": 1.0, "name": "load"}),
    "private attributes": (Rule(1.0), Rule(2.0)),
    "slots": (Slotted(1.0), Slotted(2.0)),
    "bound methods": (Rule(1.0).act, Rule(2.0).act),
    "methods of lists": ([1].append, [2].append),
    "builtins": (len, sum),
    "tables": (pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [2]})),
    "bodies on one line": ((lambda x: x), (lambda x: -x)),
    "constants": ((lambda x: x + 1), (lambda x: x + 2)),
    "attributes that code names": ((lambda x: x.low), (lambda x: x.high)),
    "inner functions": ((lambda x: lambda y: y + x), (lambda x: lambda y: y - x)),
    "closures": (times(1.0), times(2.0)),
    "defaults": (shifted, shifted_more),
    "keyword defaults": (shifted, shifted_and_scaled),
    "partials": (partial(shifted, by=1.0), partial(shifted, by=2.0)),
    "partial and function": (partial(shifted), shifted),
    "cached functions": (functools.lru_cache(shifted), functools.lru_cache(shifted_more)),
    "weights": (linear(0), linear(1)),
    "layers without weights": (nn.Sequential(nn.Tanh()), nn.Sequential(nn.ReLU())),
    "settings of layers": (nn.Dropout(0.1), nn.Dropout(0.2)),
    "weights of a dataclass": (Declared(2), Declared(2)),
    "tensor and array": (torch.zeros(2), np.zeros(2, dtype=np.float32)),
    "dtypes": (torch.float32, torch.float64),
    "mechanisms": (RPFNet(seed=0), RPFNet(seed=1)),
    "sizes of networks": (ExSNet(Dense(3, 2, 3, 2)), ExSNet(Dense(2, 3, 3, 2))),
    "games with mechanisms": (
        ResourceAllocation(mechanism=RPFNet(seed=0)),
        ResourceAllocation(mechanism=RPFNet(seed=1)),
    ),
    "games": (CournotMarket(), CournotMarket(slope=0.02)),
    "spaces": (gymnasium.spaces.Box(0, 1, (2,)), gymnasium.spaces.Box(0, 2, (2,))),
    "spaces of spaces": (
        gymnasium.spaces.Dict({"a": gymnasium.spaces.Discrete(2)}),
        gymnasium.spaces.Dict({"a": gymnasium.spaces.Discrete(3)}),
    ),
    "alphabets": (gymnasium.spaces.Text(3, charset="ab"), gymnasium.spaces.Text(3, charset="ac")),
    "states of generators": (np.random.default_rng(0), np.random.default_rng(1)),
}

EQUAL: dict[str, Callable[[], object]] = {
    "numbers": lambda: [1, 2.5, 1j, True, None],
    "not a number": lambda: [float("nan"), np.array([np.nan])],
    "text": lambda: "".join(["Wal", "ras"]),
    "arrays": lambda: np.arange(6.0).reshape(2, 3),
    "dataclasses": lambda: Profile(np.arange(3.0)),
    "objects": lambda: Rule(1.0),
    "slots": lambda: Slotted(1.0),
    "functions": lambda: times(2.0),
    "lambdas": lambda: lambda x: x + 1,
    "partials": lambda: partial(shifted, by=3.0),
    "bound methods": lambda: Rule(1.0).act,
    "networks": lambda: linear(0),
    "mechanisms": lambda: RPFNet(seed=3),
    "optimisers": lambda: torch.optim.Adam(linear(0).parameters()),
    "games": lambda: ResourceAllocation(mechanism=ExSNet(seed=1)),
    "spaces": lambda: gymnasium.spaces.Dict({"a": gymnasium.spaces.Box(0, 1, (2,))}),
    "generators": lambda: np.random.default_rng(3),
    "tables": lambda: pd.DataFrame({"a": [1.0, 2.0]}),
    "recursive functions": lambda: written("def f(n): return f(n - 1) if n else 0"),
}


@pytest.mark.parametrize("pair", DIFFERENT.values(), ids=DIFFERENT)
def test_what_differs_has_another_fingerprint(pair: tuple[object, object]) -> None:
    one, other = pair
    assert fingerprint(one) != fingerprint(other)
    assert fingerprint(one) == fingerprint(one)
    assert fingerprint([one]) != fingerprint([other])


@pytest.mark.parametrize("make", EQUAL.values(), ids=EQUAL)
def test_what_is_made_alike_has_one_fingerprint(make: Callable[[], object]) -> None:
    assert fingerprint(make()) == fingerprint(make())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([1, "a"], (1, "a")),
        ([0.5, 1.5], (0.5, np.float64(1.5))),
        ([1], deque([1])),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({"a": 1}, OrderedDict(a=1)),
        ({1, 2, 3}, frozenset([3, 2, 1])),
        (1.5, np.float64(1.5)),
        ("a", np.str_("a")),
        (np.arange(6.0).reshape(2, 3), np.asfortranarray(np.arange(6.0).reshape(2, 3))),
        (np.arange(3.0), np.arange(6.0)[::2] / 2),
    ],
    ids=str,
)
def test_what_counts_alike(one: object, other: object) -> None:
    assert fingerprint(one) == fingerprint(other)


def test_equal_keys_that_are_different_objects_both_count() -> None:
    one, other = Rule(1.0), Rule(1.0)
    assert fingerprint({one: "a", other: "b"}) == fingerprint({other: "a", one: "b"})
    assert fingerprint({one: "a", other: "b"}) != fingerprint({one: "a"})
    assert fingerprint({one: "a", other: "b"}) != fingerprint({one: "b"})


def test_cached_properties_do_not_count() -> None:
    for thing, read in ((Profile([1.0]), "mean"), (Rule(1.0), "doubled")):
        before = fingerprint(thing)
        getattr(thing, read)
        assert fingerprint(thing) == before


def test_sampling_a_space_and_freezing_weights_change_nothing() -> None:
    space = gymnasium.spaces.Dict({"a": gymnasium.spaces.Box(0, 1, (2,)), "b": gymnasium.spaces.Discrete(3)})
    net = linear(0)
    before = fingerprint([space, net])
    space.seed(0)
    space.sample()
    net.requires_grad_(False)
    assert fingerprint([space, net]) == before


def test_a_step_of_an_optimiser_changes_what_it_is() -> None:
    net = linear(0)
    optimiser = torch.optim.Adam(net.parameters(), lr=0.0)
    before = fingerprint(optimiser)
    net(torch.ones(3)).sum().backward()
    optimiser.step()
    assert fingerprint(optimiser) != before


NOTEBOOK = "class A:\n    x = 1\n    def g(self): return {}\nclass B(A):\n    def h(self): return super()\nf = B{}"


@pytest.mark.parametrize("end", ["", "()"], ids=["class", "object"])
def test_classes_without_a_file_count_by_their_members_and_bases(end: str) -> None:
    assert fingerprint(written(NOTEBOOK.format(1, end))) == fingerprint(written(NOTEBOOK.format(1, end)))
    assert fingerprint(written(NOTEBOOK.format(1, end))) != fingerprint(written(NOTEBOOK.format(2, end)))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("@property\n def g(self): return 1", "@property\n def g(self): return 2"),
        ("@classmethod\n def g(cls): return 1", "@classmethod\n def g(cls): return 2"),
        ("@staticmethod\n def g(): return 1", "@staticmethod\n def g(): return 2"),
        ("@cached_property\n def g(self): return 1", "@cached_property\n def g(self): return 2"),
        ("@lru_cache\n def g(self): return 1", "@lru_cache\n def g(self): return 2"),
        ("def __call__(self): return 1", "def __call__(self): return 2"),
        ("g = 1", "g = 2"),
        ("__slots__ = ('a',)\n g = 1", "__slots__ = ('a',)\n g = 2"),
    ],
)
def test_members_of_all_kinds_count(one: str, other: str) -> None:
    head = "from functools import cached_property, lru_cache\nclass f:\n "
    assert fingerprint(written(head + one)) == fingerprint(written(head + one))
    assert fingerprint(written(head + one)) != fingerprint(written(head + other))


def test_code_counts_as_it_was_loaded_not_as_its_file_reads_now(tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    file.write_text("def f(x):\n    return x\n")
    scope: dict[str, Any] = {}
    exec(compile(file.read_text(), file, "exec"), scope)
    before = fingerprint(scope["f"])
    file.write_text("def f(x):\n    return -x\n")
    assert fingerprint(scope["f"]) == before


def test_files_count_by_content_and_text_never_as_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other, folder = tmp_path / "one.csv", tmp_path / "other.csv", tmp_path / "folder"
    one.write_text("1")
    other.write_text("1")
    assert fingerprint(one) == fingerprint(other)
    other.write_text("2")
    assert fingerprint(one) != fingerprint(other)
    assert fingerprint(tmp_path / "missing") != fingerprint(tmp_path / "lost")
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "a").write_text("1")
    before = fingerprint(folder)
    assert before == fingerprint(Path(os.path.relpath(folder)))
    (folder / "inner" / "a").rename(folder / "inner" / "b")
    assert fingerprint(folder) != before
    monkeypatch.chdir(tmp_path)
    before = fingerprint("SAC")
    (tmp_path / "SAC").write_text("no learner")
    assert fingerprint("SAC") == before


@pytest.mark.parametrize(
    "make",
    [
        threading.Lock,
        lambda: (n for n in range(3)),
        lambda: sys.__stdout__,
        lambda: {"a": [threading.Lock()]},
        lambda: memoryview(b"a").cast("B").__iter__(),
    ],
    ids=["lock", "generator", "open file", "inside", "iterator"],
)
def test_what_has_no_content_is_refused(make: Callable[[], object]) -> None:
    with pytest.raises(TypeError, match="`thing` must be made of fields, arrays, weights or code; got a "):
        fingerprint(make())


def loops() -> Iterator[tuple[str, object]]:
    listed: list[object] = []
    listed.append(listed)
    yield "list", listed
    mapped: dict[str, object] = {}
    mapped["itself"] = [mapped]
    yield "mapping", mapped
    rule: Any = Rule(1.0)
    rule.friends = {rule}
    yield "object in a set", rule
    other: Any = Rule(1.0)
    other.own = other.act
    yield "own method", other


@pytest.mark.parametrize("thing", dict(loops()).values(), ids=dict(loops()))
def test_what_contains_itself_is_refused(thing: object) -> None:
    with pytest.raises(ValueError, match="`thing` must not contain itself; got a "):
        fingerprint(thing)


def test_what_is_shared_is_no_loop() -> None:
    part = [1.0]
    assert fingerprint([part, part]) == fingerprint([[1.0], [1.0]])


def test_every_registered_game_has_a_fingerprint_of_its_own(every_game: AbstractGame[Any]) -> None:
    longer: Any = replace(every_game, horizon=every_game.horizon + 1)  # type: ignore[type-var] - games are dataclasses
    assert fingerprint(every_game) == fingerprint(replace(every_game))  # type: ignore[type-var]
    assert fingerprint(every_game) != fingerprint(longer)


CODE = """
from functools import partial
from walras.core import fingerprint
from walras.envs import CournotMarket, ResourceAllocation
from walras.mechanisms import RPFNet
from walras.core.policy import Scripted
class Rule:
    def __init__(self): self.names = {"a", "b", "c"}
    def act(self, x): return x in {"a", "b"}
game = CournotMarket()
print(fingerprint([ResourceAllocation(mechanism=RPFNet(seed=3)), Scripted(game), game.reset, partial(max, 2), Rule()]))
"""


def test_other_processes_find_the_same_fingerprints() -> None:
    found = {
        subprocess.run(
            [sys.executable, "-c", CODE],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1


def test_a_year_of_hours_takes_less_than_ten_milliseconds() -> None:
    hours = tuple(np.linspace(2e4, 3e4, 8760).tolist())
    game = DayAheadMarket(conditions=Conditions(hours))
    found, seconds = "", list[float]()
    for _ in range(5):
        begin = time.process_time()
        found = fingerprint(game)
        seconds.append(time.process_time() - begin)
    assert min(seconds) < 0.01
    assert found != fingerprint(replace(game, conditions=Conditions((*hours[:-1], hours[-1] + 1e-9))))
