r"""Regret of agents in any environment: what each action would have earned, round by round, while they play.

With :math:`u_t(a)` what an agent would have earned in round t by the action a, the others doing what they did, and
:math:`a_t` what it did:

.. math:: R = \max_a \sum_t u_t(a) - u_t(a_t), \qquad
          R^{\mathrm{dynamic}} = \sum_t \max_a u_t(a) - u_t(a_t), \qquad
          R^{\mathrm{swap}} = \max_\varphi \sum_t u_t(\varphi(a_t)) - u_t(a_t) .

Where a game in normal form is repeated, the largest R / T is the gap of the recorded play as a coarse correlated
device, and the largest swap regret a round that as a correlated one. In games with states regrets are of the rewards of
single steps: what an action does to later states is not counted.

`RegretRecorder` wraps a PettingZoo parallel environment with finitely many actions. The suite's own (`Parallel`) tell
what other actions would have earned under the same noise; of environments from elsewhere a function must, or
``estimate=True`` puts the mean reward of an action in place of what it would have earned, which is right only where the
others and the state do not depend on the round.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias, final

import numpy as np
from gymnasium.spaces import Discrete
from numpy.typing import ArrayLike
from pettingzoo.utils import BaseParallelWrapper

from walras.agents.no_regret.sublinear import LEVEL, Sublinear, regret_path, sublinear
from walras.core.checks import require, require_numbers
from walras.core.display import Shown
from walras.core.shells import Parallel
from walras.core.typing import Floats, Ints

Environment: TypeAlias = Any
"""A PettingZoo parallel environment."""
Counterfactual: TypeAlias = Callable[[Environment, Mapping[str, int]], Mapping[str, ArrayLike]]
"""From an environment before a step, and the joint action, to what each agent would earn by each of its actions."""


@final
@dataclass(frozen=True)
class Verdict(Shown):
    """Whether an agent has no regret, and why."""

    regret: float  # external, after the last round
    bound: float
    """Regret that `Hedge` guarantees with the best step, drawn actions included, but for a chance of 5 %."""
    tests: Sublinear
    estimated: bool  # whether rewards of other actions were estimated

    @property
    def no_regret(self) -> bool:
        """Whether regret is within the bound, and both tests say that it grows more slowly than time."""
        return self.regret <= self.bound and self.tests.holds


@final
@dataclass(frozen=True, eq=False)
class Record(Shown):
    """T recorded rounds of N agents.

    Raises
    ------
    ValueError
        If there is no round, or shapes do not fit.
    """

    agents: tuple[str, ...]
    utility: tuple[Floats, ...]  # N arrays [T, A_i]: what each action would have earned
    action: Ints  # [T, N]
    estimated: bool = False

    def __post_init__(self) -> None:
        require_numbers(self)
        shape = (len(self.action), len(self.agents))
        require(self.action.shape == shape and len(self.action) > 0, "action", "be [T, N] of rounds", self.action.shape)
        for own in self.utility:
            require(len(own) == len(self.action), "utility", f"have {len(self.action)} rounds", len(own))

    @property
    def rounds(self) -> int:
        """T."""
        return len(self.action)

    @cached_property
    def earned(self) -> Floats:
        """What agents earned by what they did, ``[T, N]``."""
        return np.stack(
            [u[np.arange(self.rounds), a] for u, a in zip(self.utility, self.action.T, strict=True)], axis=1
        )

    @property
    def external(self) -> Floats:
        """What the best single action would have gained, ``[N]``."""
        return np.array([u.sum(axis=0).max() for u in self.utility]) - self.earned.sum(axis=0)

    @property
    def dynamic(self) -> Floats:
        """What the best action of each round would have gained, ``[N]``; NaN where rewards are estimated."""
        if self.estimated:
            return np.full(len(self.agents), np.nan)
        return np.array([u.max(axis=1).sum() for u in self.utility]) - self.earned.sum(axis=0)

    @property
    def swap(self) -> Floats:
        """What the best rule from action to action would have gained, ``[N]``."""
        moved = [np.eye(u.shape[1])[a].T @ u for u, a in zip(self.utility, self.action.T, strict=True)]
        return np.array([m.max(axis=1).sum() - np.trace(m) for m in moved])

    @property
    def switches(self) -> Ints:
        """How often agents changed their action, ``[N]``."""
        return (np.diff(self.action, axis=0) != 0).sum(axis=0)

    @property
    def cce_gap(self) -> Floats:
        """What each agent gains a round by leaving the recorded play before it draws, ``[N]``; not below zero."""
        return np.maximum(self.external, 0.0) / self.rounds

    @property
    def ce_gap(self) -> Floats:
        """What each agent gains a round by a rule from what it is told in the recorded play, ``[N]``."""
        return self.swap / self.rounds

    def joint(self) -> Floats:
        """Return how often each joint action was played, ``[A_1, .., A_N]``: a device for `MatrixGame.gap`."""
        sizes = tuple(u.shape[1] for u in self.utility)
        cells = np.ravel_multi_index(tuple(self.action.T), sizes)
        return np.bincount(cells, minlength=int(np.prod(sizes))).reshape(sizes) / self.rounds

    def path(self, agent: str) -> Floats:
        """Return the external regret of an agent after each round, ``[T]``."""
        i = self.agents.index(agent)
        return regret_path(self.utility[i], np.eye(self.utility[i].shape[1])[self.action[:, i]])

    def summary(self) -> dict[str, Verdict]:
        """Return whether each agent has no regret: two tests of the path, and the bound of `Hedge`.

        Raises
        ------
        ValueError
            If there is one round alone.
        """
        bounds = [self.bound(u) for u in self.utility]
        return {
            agent: Verdict(float(regret), bound, sublinear(self.path(agent)), self.estimated)
            for agent, regret, bound in zip(self.agents, self.external, bounds, strict=True)
        }

    def bound(self, utility: Floats) -> float:
        r"""Return :math:`\Delta (\sqrt{T \ln A / 2} + \sqrt{T \ln(1 / \delta) / 2})`, with the range of utilities."""
        spread, size = float(np.ptp(utility)), utility.shape[1]
        return spread * float(np.sqrt(self.rounds * np.log(size) / 2) + np.sqrt(self.rounds * np.log(1 / LEVEL) / 2))


@final
class RegretRecorder(BaseParallelWrapper[str, Any, Any]):
    """A PettingZoo parallel environment that keeps what each action would have earned.

    It is used as the environment that it wraps; rounds of all episodes are kept, and `record` has them.

    Parameters
    ----------
    env : ParallelEnv
        With Discrete actions.
    counterfactual : callable, optional
        ``counterfactual(env, actions)``, called before each step, returns by agent what each of its actions would earn,
        ``[A_i]``, the others acting as they do. Not needed for environments of the suite.
    estimate : bool
        Put the mean reward of an action in place of what it would have earned, without a counterfactual.

    Raises
    ------
    ValueError
        If `env` is from elsewhere and there is neither a counterfactual nor an estimate.
    TypeError
        If an agent has other than finitely many actions.

    Examples
    --------
    >>> import numpy as np
    >>> from walras.agents.no_regret import RegretRecorder
    >>> from walras.core import Parallel
    >>> from walras.envs import RepeatedMatrixGame
    >>> env = RegretRecorder(Parallel(RepeatedMatrixGame()))  # the prisoner's dilemma
    >>> _ = env.reset(seed=0)
    >>> for _ in range(10):
    ...     _ = env.step({"player_0": 0, "player_1": 1})  # cooperate, defect
    >>> env.record.external.tolist(), env.record.swap.tolist()
    ([10.0, 0.0], [10.0, 0.0])
    """

    def __init__(
        self, env: Environment, counterfactual: Counterfactual | None = None, *, estimate: bool = False
    ) -> None:
        super().__init__(env)
        told = counterfactual is not None or isinstance(env, Parallel) or estimate
        rule = "be given for an environment from elsewhere, or `estimate` be True"
        require(told, "counterfactual", rule, counterfactual)
        self._spaces: list[Any] = [env.action_space(agent) for agent in env.possible_agents]
        for agent, space in zip(env.possible_agents, self._spaces, strict=True):
            if not isinstance(space, Discrete):
                raise TypeError(f"`env` must have Discrete actions; got {space!r} of {agent}.")
        self._estimate = estimate and counterfactual is None
        self._counterfactual = counterfactual or _replayed
        self._utility: list[list[Floats]] = []
        self._action: list[list[int]] = []
        self._reward: list[list[float]] = []

    def step(self, actions: dict[str, Any]) -> Any:  # noqa: ANN401 - as PettingZoo has it
        """Keep what each action would earn, and take the step.

        Raises
        ------
        ValueError
            If an agent has no action, or the counterfactual tells another number of rewards.
        """
        agents = self.env.possible_agents
        missing = [agent for agent in agents if agent not in actions]
        require(not missing, "actions", "hold one action an agent", f"none for {missing}")
        worth = None if self._estimate else self._checked(self._counterfactual(self.env, actions))
        after = super().step(actions)
        starts = [int(space.start) for space in self._spaces]
        self._action.append([int(actions[agent]) - start for agent, start in zip(agents, starts, strict=True)])
        self._reward.append([float(after[1][agent]) for agent in agents])
        if worth is not None:
            self._utility.append(worth)
        return after

    @property
    def last(self) -> dict[str, Floats]:
        """What each action of each agent would have earned in the last round, ``[A_i]``.

        Raises
        ------
        ValueError
            If there is no round, or rewards are estimated.
        """
        require(len(self._utility) > 0, "last", "be asked for after a step, without estimates", "none")
        return dict(zip(self.env.possible_agents, self._utility[-1], strict=True))

    @property
    def record(self) -> Record:
        """All rounds so far.

        Raises
        ------
        ValueError
            If there is none.
        """
        require(len(self._action) > 0, "record", "be asked for after a step", "none")
        agents, action, sizes = (
            tuple(self.env.possible_agents),
            np.array(self._action),
            [int(s.n) for s in self._spaces],
        )
        if self._estimate:
            reward = np.array(self._reward)
            utility = [_imputed(reward[:, i], action[:, i], size) for i, size in enumerate(sizes)]
            return Record(agents, tuple(utility), action, estimated=True)
        return Record(agents, tuple(np.stack(own) for own in zip(*self._utility, strict=True)), action)

    def _checked(self, told: Mapping[str, ArrayLike]) -> list[Floats]:
        worth = [np.asarray(told[agent], dtype=np.float64) for agent in self.env.possible_agents]
        for agent, own, space in zip(self.env.possible_agents, worth, self._spaces, strict=True):
            rule = f"tell {space.n} finite rewards of {agent}, one an action"
            require(own.shape == (space.n,) and bool(np.isfinite(own).all()), "counterfactual", rule, own)
        return worth


def _replayed(env: Environment, actions: Mapping[str, int]) -> dict[str, Floats]:
    """Return by agent what each of its actions would earn in an environment of the suite, under the same noise."""
    space: Any = env.game.action_space
    agents, choices = list(env.possible_agents), np.arange(space.start, space.start + space.n)
    joint = np.tile([int(actions[agent]) for agent in agents], (len(agents), len(choices), 1))
    for i in range(len(agents)):
        joint[i, :, i] = choices
    earned = env.alternatives(joint.reshape(-1, len(agents))).reshape(joint.shape)
    return {agent: earned[i, :, i] for i, agent in enumerate(agents)}


def _imputed(reward: Floats, action: Ints, size: int) -> Floats:
    """Return rewards ``[T, A]``: of what was done, its own; of all else, the mean when it was done, or the least."""
    means = [reward[action == a].mean() if (action == a).any() else reward.min() for a in range(size)]
    utility = np.tile(means, (len(reward), 1))
    utility[np.arange(len(reward)), action] = reward
    return utility
