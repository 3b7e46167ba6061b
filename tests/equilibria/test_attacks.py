"""Policies that are no equilibria, in every registered game: no deviation that is tried gains more than is certified.

Each attack takes a policy that is near to equilibrium and spoils it in one way. What is certified of it is compared
with deviations that the certificate did not choose, played in fresh episodes, and with its own deviation, replayed.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from gymnasium.spaces import Box
from numpy.typing import NDArray

from walras.core import AbstractGame, Constant, Policy, Random, Scripted, rollout
from walras.core.policy import pure
from walras.envs import AutobiddingMarket, DayAheadMarket
from walras.envs.registration import GAMES, make_game
from walras.equilibria import Budget, Gap, Kind, gap, replay, solve, stage_of
from walras.equilibria.auctions.advertiser import fluid_optimum
from walras.equilibria.auctions.autobidding import _credits  # pyright: ignore[reportPrivateUsage]
from walras.equilibria.audit import judged_policy
from walras.equilibria.gap import _step_by_step  # pyright: ignore[reportPrivateUsage]
from walras.equilibria.search import returns

BUDGET = Budget(samples=16, episodes=128, frames=30_000)
SHORT = {
    "allocation.resource_allocation-v0": 1,
    "cooperation.cooperative_navigation-v1": 8,
    "electricity.day_ahead_market-v0": 6,
    "trading.trading_network_game-v0": 24,
}
"""Horizons of games whose episodes are long."""
SCRIPTED = {
    "allocation.resource_allocation-v0",
    "cooperation.cooperative_navigation-v1",
    "electricity.day_ahead_market-v0",
}
"""Games whose solutions take long: their scripted rule is spoiled."""
QUICK = (
    "auctions.double_auction-v0",
    "auctions.llg_auction-v0",
    "cooperation.grid_world-v1",
    "electricity.cournot_market-v0",
    "electricity.network_cournot_market-v0",
    "electricity.supply_function_market-v0",
    "matrix.sequential_public_goods-v0",
    "teams.mean_field_limit_lq-v1",
    "teams.team_mean_field_lq-v1",
)
"""Games of which some attacks are tried by default."""


def game_of(key: str) -> AbstractGame[Any]:
    game: Any = make_game(key)
    return replace(game, horizon=SHORT[key]) if key in SHORT else game


def base_of(key: str, game: AbstractGame[Any]) -> Policy:
    return Scripted(game) if key in SCRIPTED else solve(game, throw=False).policy


def idle(game: AbstractGame[Any], share: float = 0.0) -> NDArray[Any]:
    """One action ``[N, ...]`` for all: a share of the way from the least to the greatest; nothing where all is open."""
    space, agents = game.action_space, len(game.agents)
    if isinstance(space, Box):
        bounded = np.isfinite(space.low) & np.isfinite(space.high)
        low, high = np.where(bounded, space.low, 0.0), np.where(bounded, space.high, 0.0)
        return np.broadcast_to(low + share * (high - low), (agents, *space.shape)).astype(np.float64)
    count = int(space.n)  # type: ignore[attr-defined]
    return np.full(agents, int(space.start) + min(int(share * count), count - 1))  # type: ignore[attr-defined]


@dataclass
class Spoiled:
    """Plays by a policy, but for what an attack changes."""

    game: AbstractGame[Any]
    base: Policy

    def act(self, observation: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
        raise NotImplementedError

    def idle_like(self, action: NDArray[Any]) -> NDArray[Any]:
        share = 0.25 if isinstance(self.game, DayAheadMarket) else 0.0  # who asks for the cost there is not idle
        return np.broadcast_to(idle(self.game, share), action.shape)

    def where(self, chosen: NDArray[Any], action: NDArray[Any]) -> NDArray[Any]:
        """Idle in some rows ``[B]`` or entries ``[B, N]``."""
        shape = (*chosen.shape, *(1,) * (action.ndim - chosen.ndim))
        return np.where(chosen.reshape(shape), self.idle_like(action), action)


class WrongOrder(Spoiled):
    def act(self, observation: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
        return self.base.act(observation, rng)[:, ::-1].copy()


class Copies(Spoiled):
    def act(self, observation: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
        action = self.base.act(observation, rng)
        return np.broadcast_to(action[:, :1], action.shape).copy()


class Clipped(Spoiled):
    def act(self, observation: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
        action = self.base.act(observation, rng)
        if isinstance(self.game.action_space, Box) and not self.game.action_space.is_bounded():
            return np.clip(action, -0.05, 0.05)
        return np.clip(action, idle(self.game, 0.25), idle(self.game, 0.75))


class DeadZone(Spoiled):
    """Idles where a digit of what the agent sees says so, at one in sixteen observations."""

    def act(self, observation: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
        seen = observation.reshape(*observation.shape[:2], -1).sum(axis=2)
        return self.where(np.floor(np.abs(seen) * 1e4) % 16 == 3, self.base.act(observation, rng))


class ByStep(Spoiled):
    def act(self, observation: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
        return self.act_at(observation, 0, rng)

    def act_at(self, observation: NDArray[Any], step: int, rng: np.random.Generator) -> NDArray[Any]:
        action = self.base.act(observation, rng)
        return action if step % 2 == 0 else self.idle_like(action).copy()


@dataclass
class Remembers(Spoiled):
    """Idles once it has seen another observation than the first."""

    first: NDArray[Any] | None = None

    def act(self, observation: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
        action = self.base.act(observation, rng)
        if self.first is None or len(self.first) != len(observation):
            self.first = observation.copy()
            return action
        return self.where((observation != self.first).any(axis=tuple(range(1, observation.ndim))), action)


@dataclass
class Cycles(Spoiled):
    calls: int = 0

    def act(self, observation: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
        self.calls += 1
        action = self.base.act(observation, rng)
        return action if self.calls % 3 else self.idle_like(action).copy()


class Mixes(Spoiled):
    """Idles half of the time, each agent by its own coin, and does not say so."""

    def act(self, observation: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
        return self.where(rng.random(observation.shape[:2]) < 0.5, self.base.act(observation, rng))


class Together(Spoiled):
    """All idle half of the time, by one coin."""

    def act(self, observation: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
        return self.where(rng.random(len(observation)) < 0.5, self.base.act(observation, rng))


class Lies(Mixes):
    """Idles half of the time, and declares that it does not."""

    def mixture(self, observation: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        return pure(self.base.act(observation, np.random.default_rng(0)))


class LiesSeldom(DeadZone):
    def mixture(self, observation: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        return pure(self.base.act(observation, np.random.default_rng(0)))


class LiesTogether(Together):
    """All idle by one coin, and declare that each has its own."""

    def mixture(self, observation: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        action = self.base.act(observation, np.random.default_rng(0))
        return np.full((*action.shape[:2], 2), 0.5), np.stack([self.idle_like(action), action], axis=2)


ATTACKS: tuple[type[Spoiled], ...] = (
    WrongOrder,
    Copies,
    Clipped,
    DeadZone,
    ByStep,
    Remembers,
    Cycles,
    Mixes,
    Together,
    Lies,
    LiesSeldom,
    LiesTogether,
)


def attacked() -> list[Any]:
    """Every game under every attack; by default each of those that are quick under some, and each attack on some."""
    return [
        pytest.param(key, attack, marks=marks, id=f"{key}-{attack.__name__}")
        for i, key in enumerate(sorted(GAMES))
        for k, attack in enumerate(ATTACKS)
        for marks in [() if (i + k) % 8 == 0 and key in QUICK else pytest.mark.slow]
    ]


def tried(key: str, game: AbstractGame[Any]) -> dict[str, Policy]:
    """Deviations that no certificate chose."""
    ends: dict[str, Policy] = {f"always {share}": Constant(idle(game, share)) for share in (0.0, 0.35, 0.7, 1.0)}
    return ends | {"base": base_of(key, game), "scripted": Scripted(game), "random": Random(game)}


def gains_of(
    game: AbstractGame[Any], policy: Policy, deviation: Policy, player: tuple[int, ...], seeds: list[int]
) -> NDArray[Any]:
    """What a player gains in each episode."""
    judged, deviating = judged_policy(game, policy, "joint"), judged_policy(game, deviation, "joint")
    if isinstance(game, AutobiddingMarket):
        own, other = credits_of(game, judged, seeds), credits_of(game, deviating, seeds)
        return other[:, other.mean(axis=0).argmin()] - own[:, own.mean(axis=0).argmin()]
    if stage_of(game) is not None:
        return _step_by_step(game, judged, deviating, seeds)[:, player[0]]
    plain = returns(game, judged, seeds, (), None)
    return (returns(game, judged, seeds, player, deviating) - plain)[:, player[0]]


def credits_of(game: AutobiddingMarket, policy: Policy, seeds: list[int]) -> NDArray[Any]:
    """What a policy of one advertiser is credited with, ``[E, 4]``: of its means the least counts, which charges most.

    Rewards do not tell that a budget or a target is missed; gaps of this market are those of the credit.
    """
    last = rollout(game, policy, seeds).state
    value, spend = last.all_value[-1, :, 0], last.all_spend[-1, :, 0]
    return game.horizon * _credits(game, fluid_optimum(game), value, spend, game.horizon)


def most(gains: NDArray[Any]) -> float:
    """What a mean gain is at least, by four standard errors."""
    return float(gains.mean() - 4 * gains.std() / np.sqrt(len(gains)))


def check(key: str, game: AbstractGame[Any], policy: Policy, make: Callable[[], Policy]) -> Gap:
    """Judge a policy, and try to gain more than is certified."""
    found = gap(game, policy, seeds=range(32), budget=BUDGET)
    assert (found.lower <= found.upper + 1e-9).all()
    assert np.isfinite(found.lower).all()
    assert found.kind is Kind.LOWER or np.isfinite(found.upper).all()
    seeds, slack = list(range(9000, 9048)), 1e-6 * (1 + found.scale)
    replayed = replay(game, make(), found, seeds)
    for player in found.players or tuple((i,) for i in range(len(game.agents))):
        agent = player[0]
        if isinstance(game, AutobiddingMarket):  # of which rewards are not what a deviation attains
            assert found.deviation is not None
            credit = gains_of(game, make(), found.deviation, player, seeds)
            replayed[:, agent] = credit if found.lower[agent] > 0 else 0.0
        again = -most(-replayed[:, agent])
        assert again >= found.lower[agent] - slack[agent], "what is said to be attained is not"
        for name, deviation in tried(key, game).items():
            more = most(gains_of(game, make(), deviation, player, seeds))
            assert more <= found.upper[agent] + slack[agent], name
    return found


@pytest.mark.parametrize(("key", "attack"), attacked())
def test_no_deviation_gains_more_than_is_certified(key: str, attack: type[Spoiled]) -> None:
    game = game_of(key)
    base = base_of(key, game)
    found = check(key, game, attack(game, base), lambda: attack(game, base))
    if issubclass(attack, Lies | LiesTogether):
        assert found.kind is not Kind.EXACT
        assert found.certifies != "Nash"
