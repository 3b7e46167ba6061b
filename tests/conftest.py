"""What all tests share: the registered games, the recorded data, comparison bit for bit."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

from walras.core import AbstractGame, Episodes, Random, Step, take_rows
from walras.envs.registration import GAMES, aec_env, make_game, parallel_env

settings.register_profile("walras", deadline=None, derandomize=True, database=None, max_examples=60)
settings.load_profile("walras")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of recorded data beside the checkout."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no recorded data: {folder} is not a folder")
    return folder


@pytest.fixture(scope="session", autouse=True)
def own_temporary_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What libraries leave in the temporary folder, as Stable-Baselines3 does, goes with that of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tempfile.tempdir", None)
        patch.setenv("TMPDIR", str(tmp_path_factory.mktemp("temporary")))
        yield


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """One thread of torch while a module is tested."""
    import torch  # only those who ask load it

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(params=sorted(GAMES))
def every_name(request: pytest.FixtureRequest) -> str:
    """The key of each registered game."""
    return request.param


@pytest.fixture
def every_game(every_name: str) -> AbstractGame[Any]:
    """Each registered game with its default parameters."""
    return make_game(every_name)


@pytest.fixture
def every_makers(every_name: str) -> SimpleNamespace:
    """The makers of the PettingZoo environments of each registered game."""
    return SimpleNamespace(parallel_env=partial(parallel_env, every_name), env=partial(aec_env, every_name))


def _bits(value: Any) -> list[Any]:  # noqa: ANN401 - arrays, states, steps and nests of them
    """`value` as a flat list of shapes, types and bytes."""
    if isinstance(value, np.ndarray):
        return [(value.shape, value.dtype.str, value.tobytes())]
    if isinstance(value, dict):
        return [item for key in sorted(value) for item in (key, *_bits(value[key]))]
    if isinstance(value, tuple | list):
        return [item for entry in value for item in _bits(entry)]
    if hasattr(value, "__dataclass_fields__"):
        return [item for f in fields(value) for item in (f.name, *_bits(getattr(value, f.name)))]
    return [value]


@pytest.fixture(scope="session")
def bits() -> Callable[[Any], list[Any]]:
    """Flatten a nest of arrays, dictionaries, tuples and dataclasses; equal lists mean equal bit for bit."""
    return _bits


def _played(game: AbstractGame[Any], rows: int, steps: int, seed: int = 0) -> Episodes[Any]:
    episodes = Episodes(game, rows)
    episodes.seed([seed * 1000 + row for row in range(rows)])
    episodes.reset()
    policy, rng = Random(game), np.random.default_rng(seed)
    for _ in range(steps):
        episodes.step(policy.act(game.observe(episodes.state), rng))
    return episodes


@pytest.fixture(scope="session")
def played() -> Callable[..., Episodes[Any]]:
    """``played(game, rows, steps, seed=0)``: episodes after random play, so that states are not special."""
    return _played


@pytest.fixture(scope="session")
def assert_rows_independent() -> Callable[[AbstractGame[Any], Sequence[int]], None]:
    """``assert_rows_independent(game, sizes)``: row i of a batch equals a batch of one, bit for bit."""

    def check(game: Any, sizes: Sequence[int]) -> None:  # noqa: ANN401 - a game with a scripted rule
        for rows in sizes:
            rng = np.random.default_rng(rows)
            state = _played(game, rows, steps=3, seed=rows).state
            action = Random(game).act(game.observe(state), rng)
            noise = np.stack([game.noise(rng, 1)[0] for _ in range(rows)])
            observation, fresh, step = game.observe(state), game.reset(noise), game.step(state, action, noise)
            scripted = game.scripted(observation)
            for i in range(rows):
                one = slice(i, i + 1)
                alone = game.step(take_rows(state, one), action[one], noise[one])
                assert _bits(Step(take_rows(step.state, one), step.reward[one], step.terminated[one])) == _bits(alone)
                assert _bits(take_rows(fresh, one)) == _bits(game.reset(noise[one]))
                assert _bits(observation[one]) == _bits(game.observe(take_rows(state, one)))
                assert _bits(scripted[one]) == _bits(game.scripted(observation[one]))

    return check
