from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from walras.core import AbstractGame, Curve, Learner, Trained, train
from walras.core.learner import check_budget, check_start, marks
from walras.core.typing import Floats
from walras.envs import CournotMarket, TradingNetworkGame

GAME = CournotMarket(horizon=2)


@dataclass(frozen=True)
class Counter:
    """Learns nothing but to count its environment steps."""

    steps: int = 10
    checkpoints: int = 3
    scale: float = 1.0

    def check(self, game: AbstractGame[Any]) -> None:
        if not isinstance(game, CournotMarket):
            raise TypeError(f"`game` must be a Cournot market; got {type(game).__name__}.")

    def learn(self, game: AbstractGame[Any], seed: int, start: Trained | None = None) -> Iterator[Trained]:
        check_budget(self.steps, self.checkpoints)
        if start is not None:
            check_start(start, self, game)
        for mark in marks(self.steps, self.checkpoints, done=0 if start is None else start.steps):
            yield Count(self, game, mark, seed)

    def load(self, path: str | Path, game: AbstractGame[Any]) -> Trained:
        return Count(self, game, *map(int, Path(path).read_text().split()))


@dataclass(frozen=True)
class Count:
    learner: Counter
    game: AbstractGame[Any]
    steps: int
    seed: int

    @property
    def curve(self) -> Curve:
        return Curve(np.array([self.steps]), np.array([1]), np.zeros((1, len(self.game.agents))))

    @property
    def diagnostics(self) -> Mapping[str, Floats]:
        return {"seed": np.array([float(self.seed)])}

    def act(self, observation: Floats, rng: np.random.Generator) -> Floats:
        return np.full((*observation.shape[:2], 1), self.learner.scale * self.steps)

    def save(self, path: str | Path) -> None:
        Path(path).write_text(f"{self.steps} {self.seed}")


@dataclass(frozen=True)
class Otherwise:
    """The settings of `Counter`, of another class."""

    steps: int = 10
    checkpoints: int = 3
    scale: float = 1.0


def test_the_toy_is_a_learner_and_what_it_learns_a_trained_policy() -> None:
    assert isinstance(Counter(), Learner)
    assert isinstance(train(Counter(), GAME), Trained)
    assert not isinstance(GAME, Learner)


def test_train_returns_what_was_learned_at_the_end_of_the_budget() -> None:
    trained = train(Counter(), GAME, seed=4)
    assert (trained.steps, trained.diagnostics["seed"].tolist()) == (10, [4.0])
    assert trained.act(np.zeros((2, 3, 1)), np.random.default_rng(0)).tolist() == [[[10.0]] * 3] * 2


def test_train_checks_the_game_before_anything_runs() -> None:
    with pytest.raises(TypeError, match="`game` must be a Cournot market; got TradingNetworkGame"):
        train(Counter(steps=-1), TradingNetworkGame())


def test_train_goes_on_and_returns_a_start_that_is_at_its_end(tmp_path: Path) -> None:
    half = train(Counter(steps=5, checkpoints=1), GAME, seed=4)
    half.save(tmp_path / "half")
    again = Counter(steps=5, checkpoints=1).load(tmp_path / "half", GAME)
    assert [each.steps for each in Counter().learn(GAME, 4, again)] == [7, 10]
    whole = train(Counter(), GAME, 4, again)
    assert whole.steps == 10
    assert train(Counter(), GAME, 4, whole) is whole


@pytest.mark.parametrize(
    ("total", "checkpoints", "done", "expected"),
    [
        (10, 1, 0, [10]),
        (10, 3, 0, [3, 7, 10]),
        (10, 3, 3, [7, 10]),
        (10, 3, 4, [7, 10]),
        (10, 3, 10, []),
        (3, 3, 0, [1, 2, 3]),
        (1_000_000, 4, 0, [250_000, 500_000, 750_000, 1_000_000]),
    ],
)
def test_marks_are_even_and_end_at_the_end(total: int, checkpoints: int, done: int, expected: list[int]) -> None:
    assert marks(total, checkpoints, done) == expected


@pytest.mark.parametrize(
    ("steps", "checkpoints", "message"),
    [
        (2.5, 1, "`steps` must be a whole number, at least 1; got 2.5"),
        (0, 1, "`steps` must be a whole number, at least 1; got 0"),
        (10, 0, "`checkpoints` must be a whole number, at least 1; got 0"),
        (10, 2.0, "`checkpoints` must be a whole number, at least 1; got 2.0"),
        (3, 4, "`steps` must be at least 4, one a checkpoint; got 3"),
    ],
)
def test_budgets_that_cannot_be_shared_out_are_refused(steps: int, checkpoints: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_budget(steps, checkpoints)
    check_budget(4, 4)


def test_a_start_of_another_game_or_other_settings_is_refused() -> None:
    start = train(Counter(), GAME)
    check_start(start, Counter(steps=99, checkpoints=9), CournotMarket(horizon=2))  # the budget may differ
    with pytest.raises(ValueError, match=r"`start` must be trained on this game, .*horizon=3.*; got .*horizon=2"):
        check_start(start, Counter(), CournotMarket(horizon=3))
    with pytest.raises(ValueError, match=r"`start` must be trained by these settings, .*scale=2.0.*; got .*scale=1.0"):
        check_start(start, Counter(scale=2.0), GAME)
    with pytest.raises(ValueError, match=r"`start` must be trained by these settings, Otherwise"):
        check_start(start, Otherwise(), GAME)


def test_starts_are_told_apart_by_content_where_they_print_alike() -> None:
    @dataclass(frozen=True)
    class Silent:
        weights: Any
        steps: int = 10
        checkpoints: int = 3

        def __repr__(self) -> str:
            return "Silent()"

    start = replace(train(Counter(), GAME), learner=Silent(np.zeros(2)))
    check_start(start, Silent(np.zeros(2)), GAME)
    with pytest.raises(ValueError, match="`start` must be trained by these settings"):
        check_start(start, Silent(np.ones(2)), GAME)
