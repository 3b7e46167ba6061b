"""What every learner keeps: it yields on the way, goes on bit for bit, and refuses what it cannot learn or go on from.

A learner's row in `CASES` is all that is needed.
"""

import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, MultiBinary

from walras.agents.auctions.exponential_weights import ExponentialWeights
from walras.agents.auctions.sgd_ucb import SGDUCB
from walras.agents.imitation.behaviour_cloning import BehaviourCloning
from walras.agents.imitation.demonstrations import collect
from walras.agents.imitation.dm2 import DM2
from walras.agents.imitation.magail import MAGAIL
from walras.agents.imitation.pegmarl import PegMARL
from walras.agents.imitation.pofd import POfD
from walras.agents.matrix.q_pairs import QPairs
from walras.agents.no_regret.rules import Hedge, TreeSwap
from walras.agents.no_regret.self_play import NoRegret
from walras.agents.ppo.ippo import IPPO
from walras.agents.ppo.mappo import MAPPO
from walras.agents.sb3.learners import SB3, SharedSB3
from walras.agents.teams.mrpg import MRPG
from walras.agents.teams.oracles import ZerothOrderOracle
from walras.agents.teams.policy_gradient import Vanilla
from walras.agents.teams.rgda import RGDA
from walras.agents.teams.whole_horizon import WholeHorizon
from walras.core import AbstractGame, Learner, State, Step, Trained, Vector, rollout, train
from walras.core.typing import Floats, Ints
from walras.envs import (
    AutobiddingMarket,
    CooperativeNavigation,
    CournotMarket,
    GridWorld,
    RepeatedMatrixGame,
    RepeatedPricing,
    RobustTeamLQ,
    SealedBidAuction,
    TabularMarkovGame,
    TeamMeanFieldLQ,
)
from walras.envs.matrix.tabular_markov_game import big_match
from walras.equilibria import Budget, gap
from walras.markets.matrix.named_games import chicken


class Case(NamedTuple):
    """A learner with at least two checkpoints, if it plays to learn, and what it can learn."""

    learner: Learner
    game: AbstractGame[Any]
    other_settings: Learner  # of the same class, with which `learner` cannot go on
    other_game: AbstractGame[Any]  # which it can learn as well, but not with what it learned of `game`
    draws: bool = True  # whether the seed matters


MARKET, OTHER_MARKET = CournotMarket(horizon=5), CournotMarket(horizon=5, cost=(10.0, 15.0, 20.0))
CROSSING, OTHER_CROSSING = (GridWorld(map="1 . b\n2 . a", horizon=horizon) for horizon in (20, 30))
FLIGHT = CooperativeNavigation.with_wall()
TEAMS, ROBUST = TeamMeanFieldLQ.mild(size=8), RobustTeamLQ.unstable(size=8)
OTHER_TEAMS, OTHER_ROBUST = TeamMeanFieldLQ.mild(size=9), RobustTeamLQ.unstable(size=9)
CHANNELS, OTHER_CHANNELS = AutobiddingMarket(horizon=10), AutobiddingMarket(horizon=10, targets=2.0)
ORACLE = ZerothOrderOracle(20)
PRICES, OTHER_PRICES = RepeatedPricing(prices=4), RepeatedPricing(prices=4, cost=(1.0, 1.2))
SESSIONS: dict[str, Any] = {"beta": 1e-3, "sessions": 2, "stable": 3000, "limit": 9000, "checkpoints": 3}
SHOWN = collect(CROSSING, episodes=5)
DRAWN = partial(collect, quality=0.7, episodes=5)
PPO: dict[str, Any] = {
    "steps": 5 * 32, "checkpoints": 3, "num_envs": 4, "rollout_steps": 8, "epochs": 2, "minibatches": 2, "hidden": (8,),
}  # fmt: skip


def case(
    make: Callable[..., Learner], game: AbstractGame[Any], other_game: AbstractGame[Any], **settings: object
) -> Case:
    """Return a case of which the other settings differ in the learning rate."""
    return Case(make(**settings), game, make(**settings, learning_rate=0.5), other_game)


def sb3_case(
    make: type[SB3] | type[SharedSB3],
    algorithm: str,
    game: AbstractGame[Any],
    other_game: AbstractGame[Any],
    **hyperparameters: object,
) -> Case:
    """Return a case of Stable-Baselines3 with small networks, of which the other settings differ likewise."""
    small = hyperparameters | {"batch_size": 32, "policy_kwargs": {"net_arch": [8]}}
    learner = make(algorithm, steps=3 * 160, checkpoints=3, hyperparameters=small)
    other = replace(learner, hyperparameters=small | {"learning_rate": 0.5})
    return Case(learner, game, other, other_game)


CASES = {
    "mappo": case(MAPPO, MARKET, OTHER_MARKET, **PPO),
    "mappo greedy": case(MAPPO, CROSSING, OTHER_CROSSING, **PPO, play="greedy", actors="shared", critics="averaged"),
    "ippo": case(IPPO, CROSSING, OTHER_CROSSING, **PPO),
    "pegmarl": case(partial(PegMARL, DRAWN), CROSSING, OTHER_CROSSING, **PPO),
    "pegmarl shown": case(partial(PegMARL, SHOWN), CROSSING, OTHER_CROSSING, **PPO),
    "pegmarl flying": case(partial(PegMARL, DRAWN), FLIGHT, replace(FLIGHT, horizon=20), **PPO),
    "pofd": case(partial(POfD, DRAWN), CROSSING, OTHER_CROSSING, **PPO),
    "magail": case(partial(MAGAIL, DRAWN), CROSSING, OTHER_CROSSING, **PPO),
    "dm2": case(partial(DM2, DRAWN), CROSSING, OTHER_CROSSING, **PPO),
    "behaviour cloning": case(partial(BehaviourCloning, DRAWN), CROSSING, OTHER_CROSSING, updates=5),
    "sb3 ppo": sb3_case(SB3, "PPO", MARKET, OTHER_MARKET, n_steps=4, n_epochs=2),
    "sb3 dqn": sb3_case(SB3, "DQN", CROSSING, OTHER_CROSSING, learning_starts=64, buffer_size=999),
    "sb3 td3": sb3_case(SB3, "TD3", MARKET, OTHER_MARKET, learning_starts=64, buffer_size=999),
    "shared sb3 ppo": sb3_case(SharedSB3, "PPO", CROSSING, OTHER_CROSSING, n_steps=4, n_epochs=2),
    "shared sb3 sac": sb3_case(SharedSB3, "SAC", MARKET, OTHER_MARKET, learning_starts=64, buffer_size=999),
    "q pairs": Case(QPairs(**SESSIONS), PRICES, QPairs(**SESSIONS, alpha=0.3), OTHER_PRICES),
    "no regret": Case(
        NoRegret(TreeSwap(), steps=90, checkpoints=3, average="linear"),
        TabularMarkovGame(),
        NoRegret(TreeSwap(), steps=90, checkpoints=3),
        TabularMarkovGame(big_match(0.9), discount=0.9),
        draws=False,
    ),
    "no regret bandit": Case(
        NoRegret(Hedge(0.1), steps=30, checkpoints=2, feedback="bandit"),
        RepeatedMatrixGame(chicken(), horizon=5),
        NoRegret(Hedge(0.2), steps=30, checkpoints=2, feedback="bandit"),
        PRICES,
    ),
    "sgd ucb": Case(
        SGDUCB(steps=90, checkpoints=3), CHANNELS, SGDUCB(steps=90, checkpoints=3, width=1.0), OTHER_CHANNELS
    ),
    "exponential weights": Case(
        ExponentialWeights(steps=9, checkpoints=3, types=4, bids=5),
        SealedBidAuction(horizon=5),
        ExponentialWeights(steps=9, checkpoints=3, types=4, bids=5, rate=1.0),
        SealedBidAuction(horizon=5, players=3),
        draws=False,
    ),
    "mrpg": Case(MRPG(ORACLE, iterations=4, checkpoints=3), TEAMS, MRPG(iterations=4, checkpoints=3), OTHER_TEAMS),
    "rgda": Case(RGDA(ORACLE, iterations=4, checkpoints=3), ROBUST, RGDA(iterations=4, checkpoints=3), OTHER_ROBUST),
    "whole horizon": Case(
        WholeHorizon(updates=20, checkpoints=4), TEAMS, WholeHorizon(Vanilla(), updates=20), OTHER_TEAMS, draws=False
    ),
}


@pytest.fixture(params=CASES)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def case_of(name: str) -> Case:
    return CASES[name]


@pytest.fixture(scope="module")
def learned() -> Callable[[str], list[Trained]]:
    """All that a learner yields for seed 3, learned once for all tests."""
    kept: dict[str, list[Trained]] = {}

    def of(name: str) -> list[Trained]:
        if name not in kept:
            learner, game, *_ = CASES[name]
            kept[name] = list(learner.learn(game, 3))
        return kept[name]

    return of


@pytest.fixture(scope="module")
def continued_elsewhere(
    learned: Callable[[str], list[Trained]], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """What comes of trainings that were killed at their first checkpoint and went on in another process, by name."""
    folder = tmp_path_factory.mktemp("killed")
    for name in CASES:
        learned(name)[1].save(folder / name)
    code = "import runpy, sys; runpy.run_path(sys.argv[1])['go_on'](sys.argv[2])"
    subprocess.run([sys.executable, "-c", code, __file__, str(folder)], check=True)
    return pickle.loads((folder / "continued").read_bytes())


def go_on(folder: str) -> None:
    """Go on from the files of all cases; called in a process of its own."""
    found = {name: continued(name, Path(folder) / name) for name in CASES}
    (Path(folder) / "continued").write_bytes(pickle.dumps(found))


def told(trained: Trained) -> dict[str, Any]:
    """All that a trained policy says and does, as bytes."""
    seen = Vector(trained.game, 5).reset(1)
    told = {name: trained.diagnostics[name] for name in sorted(trained.diagnostics)}
    arrays = {"acts": trained.act(seen, np.random.default_rng(0)), **vars(trained.curve), **told}
    return {"steps": trained.steps} | {
        name: (part.shape, part.dtype.str, part.tobytes()) for name, part in arrays.items()
    }


def continued(name: str, path: Path) -> dict[str, Any]:
    """What comes of going on from a file."""
    learner, game, *_ = CASES[name]
    return told(train(learner, game, 3, learner.load(path, game)))


def test_learners_are_frozen_dataclasses_of_settings(case_of: Case) -> None:
    assert isinstance(case_of.learner, Learner)
    with pytest.raises(AttributeError, match="cannot assign to field"):
        setattr(case_of.learner, fields(case_of.learner)[0].name, None)  # type: ignore[arg-type]


def test_what_is_yielded_is_as_much_as_was_promised(
    name: str, case_of: Case, learned: Callable[[str], list[Trained]]
) -> None:
    learner, found = case_of.learner, learned(name)
    assert len(found) == 1 + learner.checkpoints
    steps = [trained.steps for trained in found]
    assert steps[0] == 0
    assert steps == sorted(set(steps) if learner.steps else steps)
    assert steps[-1] >= learner.steps
    for trained in found:
        assert isinstance(trained, Trained)
        assert trained.learner is learner
        assert trained.game is case_of.game
        assert (np.diff(trained.curve.steps) >= 0).all()
        assert trained.curve.total.shape == (len(trained.curve.steps), len(case_of.game.agents))
        assert len(trained.curve.episodes) == len(trained.curve.steps)
    if learner.steps:
        assert found[-1].curve.steps[-1] == steps[-1]


def test_diagnostics_grow_with_the_training(name: str, learned: Callable[[str], list[Trained]]) -> None:
    found = learned(name)
    first, *_, last = every = [trained.diagnostics for trained in found]
    assert last
    for earlier in every:
        if earlier is not first:
            assert earlier.keys() == last.keys()
        for key, values in earlier.items():
            assert values.ndim in (1, 2)
            np.testing.assert_array_equal(values, last[key][: len(values)])


def test_the_first_is_the_policy_before_any_learning(
    name: str, case_of: Case, learned: Callable[[str], list[Trained]]
) -> None:
    untrained, *_, last = learned(name)
    assert all(len(values) <= 1 for values in untrained.diagnostics.values())
    assert len(untrained.curve.steps) <= 1
    assert told(untrained) != told(last)
    assert told(next(iter(case_of.learner.learn(case_of.game, 3)))) == told(untrained)


def test_what_was_learned_acts_in_the_game(name: str, case_of: Case, learned: Callable[[str], list[Trained]]) -> None:
    for trained in learned(name):
        assert np.isfinite(rollout(case_of.game, trained, [0, 1]).total).all()  # refuses actions outside the space


def test_a_seed_fixes_the_result(name: str, case_of: Case, learned: Callable[[str], list[Trained]]) -> None:
    np.random.seed(99)  # noqa: NPY002 - global chance must not matter
    torch.manual_seed(99)
    again, other = (train(case_of.learner, case_of.game, seed) for seed in (3, 4))
    assert told(again) == told(learned(name)[-1])
    assert (told(other) != told(again)) == case_of.draws


def test_training_goes_on_from_memory_as_if_it_had_not_stopped(
    name: str, case_of: Case, learned: Callable[[str], list[Trained]]
) -> None:
    whole = [told(trained) for trained in learned(name)]
    for at, start in enumerate(learned(name)):
        rest = [told(trained) for trained in case_of.learner.learn(case_of.game, 3, start)]
        assert rest == whole[at + 1 :]
    assert [told(trained) for trained in learned(name)] == whole  # no start was changed


def test_training_goes_on_from_a_file_as_if_it_had_not_stopped(
    name: str, case_of: Case, learned: Callable[[str], list[Trained]], tmp_path: Path
) -> None:
    for start in learned(name)[:2]:
        start.save(tmp_path / "learner.pt")
        assert told(case_of.learner.load(tmp_path / "learner.pt", case_of.game)) == told(start)
        assert continued(name, tmp_path / "learner.pt") == told(learned(name)[-1])


def test_training_that_was_killed_goes_on_in_another_process(
    name: str, learned: Callable[[str], list[Trained]], continued_elsewhere: dict[str, Any]
) -> None:
    assert continued_elsewhere[name] == told(learned(name)[-1])


def test_what_was_yielded_is_not_changed_by_further_learning(case_of: Case) -> None:
    yielded = iter(case_of.learner.learn(case_of.game, 0))
    first = next(yielded)
    before = told(first)
    assert list(yielded)
    assert told(first) == before


def test_training_at_its_end_is_at_its_end(name: str, case_of: Case, learned: Callable[[str], list[Trained]]) -> None:
    last = learned(name)[-1]
    assert train(case_of.learner, case_of.game, 3, last) is last


def test_a_start_from_elsewhere_is_refused_before_anything_is_learned(
    name: str, case_of: Case, learned: Callable[[str], list[Trained]]
) -> None:
    start = learned(name)[0]
    with pytest.raises(ValueError, match=r"(?s)`start` must be trained on this game, .*got one trained on"):
        case_of.learner.learn(case_of.other_game, 3, start)
    with pytest.raises(ValueError, match=r"(?s)`start` must be trained by these settings, .*; got"):
        case_of.other_settings.learn(case_of.game, 3, start)
    stranger = next(other for other in CASES.values() if type(other.learner) is not type(case_of.learner))
    with pytest.raises(ValueError, match="`start` must be trained"):
        stranger.learner.learn(stranger.game, 3, start)


def test_files_from_elsewhere_are_refused(
    name: str, case_of: Case, learned: Callable[[str], list[Trained]], tmp_path: Path
) -> None:
    path, load = tmp_path / "learner.pt", case_of.learner.load
    with pytest.raises(FileNotFoundError, match=r"learner\.pt"):
        load(path, case_of.game)
    learned(name)[0].save(path)
    with pytest.raises(ValueError, match=r"learner\.pt"):
        load(path, case_of.other_game)
    stranger = next(other for other in CASES.values() if type(other.learner) is not type(case_of.learner))
    with pytest.raises(ValueError, match=r"learner\.pt"):
        stranger.learner.load(path, case_of.game)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_damaged_files_are_refused(
    name: str, case_of: Case, learned: Callable[[str], list[Trained]], tmp_path: Path, share: float
) -> None:
    path = tmp_path / "learner.pt"
    learned(name)[0].save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=r"`path` must .*learner\.pt"):
        case_of.learner.load(path, case_of.game)


def test_the_gap_of_what_was_learned_is_known(
    name: str, case_of: Case, learned: Callable[[str], list[Trained]]
) -> None:
    budget = Budget(samples=32, episodes=64, frames=20_000)
    judged = gap(case_of.game, learned(name)[-1], seeds=range(32), budget=budget)
    assert np.isfinite(judged.lower).all()
    assert (judged.lower <= judged.upper).all()  # an adversary's may be infinite
    assert len(repr(judged)) < 1500


@dataclass(frozen=True)
class Clock(State):
    step: Ints  # [B]


@dataclass(frozen=True)
class Switches(AbstractGame[Clock]):
    """Two agents turn three switches each: no learner has a network for that."""

    horizon: int = 3
    discount: float = 0.9

    @cached_property
    def agents(self) -> tuple[str, ...]:
        return ("a", "b")

    @cached_property
    def observation_space(self) -> Box:
        return Box(0, 1, (1,), dtype=np.float64)

    @cached_property
    def action_space(self) -> MultiBinary:
        return MultiBinary(3)

    def noise(self, rng: np.random.Generator, steps: int) -> Ints:
        return np.zeros(steps, dtype=np.int64)

    def reset(self, noise: Ints) -> Clock:
        return Clock(noise)

    def step(self, state: Clock, action: Ints, noise: Ints) -> Step[Clock]:
        return Step(Clock(state.step + 1), np.zeros((len(noise), 2)), np.zeros(len(noise), dtype=np.bool_))

    def observe(self, state: Clock) -> Floats:
        return np.zeros((len(state.step), 2, 1))

    def text(self, state: Clock) -> str:
        return str(state)

    def image(self, state: Clock) -> np.ndarray:
        return np.zeros((1, 1, 3), np.uint8)


def test_games_that_it_cannot_learn_are_refused_before_anything_runs(case_of: Case) -> None:
    case_of.learner.check(case_of.game)
    for refuse in (case_of.learner.check, lambda game: case_of.learner.learn(game, 0)):
        with pytest.raises(TypeError, match=r"`game.*` must .*got"):
            refuse(Switches())
