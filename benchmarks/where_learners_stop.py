"""Why learners stay far from known equilibria: MAPPO in six games, and TD3 in a market of Cournot.

Run: ``OMP_NUM_THREADS=1 python benchmarks/where_learners_stop.py``. Each table asks one question; gaps are what the
best deviation found gains, as shares of what is at stake, on 32 episodes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast, final

import numpy as np
import torch
from gymnasium import Space
from stable_baselines3.common.noise import NormalActionNoise

from walras.agents.ppo.mappo import MAPPO
from walras.agents.sb3 import SB3
from walras.core import AbstractGame, Policy, Scripted, Step, Vector, train
from walras.core.policy import Mixed
from walras.core.typing import Floats
from walras.envs import (
    CournotMarket,
    DayAheadMarket,
    MeanFieldLimitLQ,
    NetworkCournotMarket,
    StorageMarket,
    TabularMarkovGame,
    TradingNetworkGame,
)
from walras.equilibria import Budget, Gap, gap, solve
from walras.scenarios.bench.suites import TUNED

SEEDS = range(9000, 9032)


def judged(game: AbstractGame[Any], policy: Policy, concept: str = "nash") -> Gap:
    """Return the gap of a policy."""
    budget = Budget(samples=16, episodes=4096, frames=32_768)
    return gap(game, policy, concept=concept, seeds=SEEDS, budget=budget)


def percent(values: Floats) -> str:
    """Return shares in per cent, an agent each."""
    return " | ".join(f"{100 * value:.3g}" for value in values)


@final
class Alone(AbstractGame[Any]):
    """One agent of a game, among others who play by a policy that does not change."""

    def __init__(self, game: AbstractGame[Any], policy: Policy, agent: int) -> None:
        self.game, self.policy, self.agent = game, policy, agent
        self.horizon, self.discount = game.horizon, game.discount

    @cached_property
    def agents(self) -> tuple[str, ...]:
        """The one agent."""
        return (self.game.agents[self.agent],)

    @cached_property
    def observation_space(self) -> Space[Any]:
        """The game's."""
        return self.game.observation_space

    @cached_property
    def action_space(self) -> Space[Any]:
        """The game's."""
        return self.game.action_space

    def noise(self, rng: np.random.Generator, steps: int) -> Floats:
        """Draw the game's noise."""
        return self.game.noise(rng, steps)

    def reset(self, noise: Floats) -> Any:  # noqa: ANN401 - the game's state
        """Start the game."""
        return self.game.reset(noise)

    def step(self, state: Any, action: Floats, noise: Floats) -> Step[Any]:  # noqa: ANN401
        """Let the others act as well."""
        joint = joined(self.policy, self.game.observe(state), self.agent, action[:, 0])
        after = self.game.step(state, joint, noise)
        return Step(after.state, after.reward[:, [self.agent]], after.terminated)

    def observe(self, state: Any) -> Floats:  # noqa: ANN401
        """Show what the one agent sees."""
        return self.game.observe(state)[:, [self.agent]]

    def text(self, state: Any) -> str:  # noqa: ANN401
        """Describe the game."""
        return self.game.text(state)

    def image(self, state: Any) -> Any:  # noqa: ANN401
        """Draw the game."""
        return self.game.image(state)


def joined(policy: Policy, observation: Floats, agent: int, own: Floats) -> Floats:
    """Return the actions of a policy, with one agent's own in their place."""
    joint = policy.act(observation, np.random.default_rng(0)).copy()
    joint[:, agent] = own
    return joint


@final
@dataclass(frozen=True, eq=False)
class With:
    """A policy with one agent's replaced by another, which was learned alone."""

    policy: Policy
    agent: int
    other: Policy

    def act(self, observation: Floats, rng: np.random.Generator) -> Floats:
        """Act for all."""
        own = self.other.act(observation[:, [self.agent]], rng)[:, 0]
        return joined(self.policy, observation, self.agent, own)


def day_ahead() -> Iterator[str]:
    """Yield rows: does more experience help, and does it help if the others stand still."""
    game, settings = DayAheadMarket(), TUNED["MAPPO"]["electricity"]
    known = solve(game, throw=False).policy
    yield f"| | {' | '.join(game.agents)} |\n|---{'|---' * len(game.agents)}|"
    learned: Policy = known
    for name, steps in (("solved", 0), ("scripted", 0), ("MAPPO", 40_960), ("MAPPO", 163_840)):
        policy: Any = {"solved": known, "scripted": Scripted(game)}.get(name) or train(
            MAPPO(steps=steps, checkpoints=1, **settings), game
        )
        learned, found = policy, judged(game, policy)
        yield f"| {name}, {steps:,} steps: gap, % of stake | {percent(found.estimate / found.scale)} |"
        yield f"| its profit, % of stake | {percent(found.value / found.scale)} |"
    for name, others in (("learned", learned), ("solved", known)):
        gains = list[float]()
        for agent in range(len(game.agents)):
            other = train(MAPPO(steps=40_960, checkpoints=1, **settings), Alone(game, others, agent))
            found = judged(game, With(others, agent, other))
            gains.append(float(found.estimate[agent] / found.scale[agent]))
        yield f"| each alone among the others as {name}: gap | {percent(np.array(gains))} |"


def trading() -> Iterator[str]:
    """Yield rows: whose regrets they are, and whether a deviation gains anything."""
    game = TradingNetworkGame()
    yield f"| | {' | '.join(game.agents)} |\n|---{'|---' * len(game.agents)}|"
    policy = train(MAPPO(steps=20_480, checkpoints=1), game)
    for concept in ("competitive", "nash"):
        found = judged(game, policy, concept)
        yield f"| gap ({concept}), % of stake | {percent(found.estimate / found.scale)} |"
    yield f"| value in equilibrium, % of stake | {percent(solve(game).value / found.scale)} |"


def teams() -> Iterator[str]:
    """Yield rows: how much is the first noise, and how much is experience."""
    game = MeanFieldLimitLQ()
    yield "| first std, of a box of 10 to either side | steps | largest gap, %: seed 0 | 1 | 2 |\n|---|---|---|---|---|"
    for log_std, steps in ((-1.0, 20_480), (-2.0, 20_480), (-2.0, 81_920)):
        trained = [train(MAPPO(steps=steps, checkpoints=1, log_std=log_std), game, seed) for seed in range(3)]
        found = [judged(game, policy) for policy in trained]
        shares = percent(np.array([np.max(each.estimate / each.scale) for each in found]))
        yield f"| {10 * np.exp(log_std):.1f} | {steps:,} | {shares} |"


def storage() -> Iterator[str]:
    """Yield rows: do learners see that what they buy now pays hours later, by rollouts of some hours or of days."""
    game, days = StorageMarket(), {"rollout_steps": 120, "minibatches": 8, "epochs": 10}
    arms: dict[str, dict[str, Any]] = {
        "defaults, of 32 steps": {},
        "tuned, of 8": dict(TUNED["MAPPO"]["electricity"]),
        "of five days": days,
        "and advantages of whole returns": days | {"gae_lambda": 1.0},
    }
    yield "| MAPPO's rollouts | steps | largest gap, %: seed 0 | 1 | 2 | profit, % of stake: seed 0 | 1 | 2 |"
    yield "|---|---|---|---|---|---|---|---|"
    for name, settings in arms.items():
        courses = [MAPPO(steps=122_880, checkpoints=2, **settings).learn(game, seed) for seed in range(3)]
        for trained in zip(*courses, strict=True):
            found = [judged(game, policy) for policy in trained]
            gaps = percent(np.array([np.max(each.estimate / each.scale) for each in found]))
            profits = percent(np.array([np.sum(each.value) / np.sum(each.scale) for each in found]))
            yield f"| {name} | {trained[0].steps:,} | {gaps} | {profits} |"


def markov() -> Iterator[str]:
    """Yield rows: where the chances of a zero-sum game's two players go, whose equilibrium is to draw."""
    game, settings = TabularMarkovGame(), TUNED["MAPPO"]["matrix"]
    start = Vector(game, 1).reset(0)
    equilibrium = cast(Mixed, solve(game).policy).mixture(start)[0][0, :, 0]
    yield "| steps | player 0 stops, % | player 1 guesses that, % | gap, % of stake | |\n|---|---|---|---|---|"
    yield f"| equilibrium | {percent(equilibrium)} | 0 | 0 |"
    for trained in MAPPO(steps=40_960, checkpoints=10, **settings).learn(game, 0):
        chances, found = cast(Mixed, trained.declared).mixture(start)[0][0, :, 0], judged(game, trained)
        yield f"| {trained.steps:,} | {percent(chances)} | {percent(found.estimate / found.scale)} |"


def edges() -> Iterator[str]:
    """Yield rows: where TD3's actors go in a market of Cournot, with more or less noise of exploration."""
    game = CournotMarket()
    start = Vector(game, 1).reset(0)
    yield "| std of the noise, of half the box | MW: seed 0 | 1 | 2 | largest gap, %: seed 0 | 1 | 2 |"
    yield "|---|---|---|---|---|---|---|"
    for std in (0.0, 0.1, 0.3):
        noise = {"action_noise": NormalActionNoise(np.zeros(1), np.full(1, std))} if std else {}
        learner = SB3("TD3", steps=4_096, hyperparameters=TUNED["TD3"]["electricity"]["hyperparameters"] | noise)
        trained = [train(learner, game, seed) for seed in range(3)]
        sold = " | ".join(str(policy.act(start, np.random.default_rng(0))[0, :, 0].round(1)) for policy in trained)
        found = [judged(game, policy) for policy in trained]
        yield f"| {std} | {sold} | {percent(np.array([np.max(each.estimate / each.scale) for each in found]))} |"


def network() -> Iterator[str]:
    """Yield rows: MAPPO on a network, where the equilibrium that the benchmark measures is by conjecture."""
    game = NetworkCournotMarket()
    yield f"| | {' | '.join(game.agents)} |\n|---{'|---' * len(game.agents)}|"
    policy, known = train(MAPPO(steps=4_096, checkpoints=1, **TUNED["MAPPO"]["electricity"]), game), solve(game).policy
    for name, found in (
        ("MAPPO, by conjecture", judged(game, policy, "price differences")),
        ("MAPPO, Nash", judged(game, policy)),
        ("equilibrium by conjecture, Nash", judged(game, known)),
    ):
        yield f"| {name}: gap, % of stake | {percent(found.estimate / found.scale)} |"


def main() -> None:
    """Print all tables."""
    torch.set_num_threads(1)
    for table in (day_ahead, trading, teams, storage, markov, edges, network):
        print(f"\n{table.__name__}\n")
        for row in table():
            print(row, flush=True)


if __name__ == "__main__":
    main()
