r"""Sequential public goods: agents contribute to a common good one after another, and see who gave before them.

Description
-----------
N agents move once each, in their order. Agent i contributes :math:`c_i`; with :math:`S_i = c_1 + .. + c_i` it earns

.. math:: u_i = -\kappa(c_i) + \gamma c_i b_i S_{i-1} + \frac{\rho}{n} S_n - P \, \mathbf 1\{S_n < B\} ,

its cost, a bonus for joining what was given before, an equal share of the good, and a penalty for all if the group
misses the threshold B [1]_. The form of the bonus is this suite's choice. Who moves early raises what followers give:
this leader effect is what being seen creates.

Agents
------
N agents, ``agent_0`` .. ``agent_{N-1}``, in the order in which they move.

State
-----
Moves so far ``[B]`` and contributions ``[B, N]``, zero of those who have not moved.

Action
------
``[B, N, 1]``: a contribution, from `low` to `high`. Only the mover's counts.

Observation
-----------
| index | meaning | unit | low | high |
|---|---|---|---|---|
| 0 | whether it is the own turn | 1 | 0 | 1 |
| 1 | own place in the order | of N | 0 | 1 |
| 2 .. | of those before: each contribution (N numbers), the sum, the last one, or nothing | 1 | 0 | N high |
| last 4 | gamma, rho, penalty, threshold | 1 | themselves | themselves |

Reward
------
:math:`u_i`, after the last move; before it nothing.

Starting state
--------------
Nobody has contributed.

Episode end
-----------
Terminated after the last move, or at the `horizon`, where those who have not moved leave all without a reward.

Parameters
----------
n : agents.
k : slope of marginal cost, or marginal cost where the cost is linear.
gamma : bonus of an own unit for each unit before it.
rho : worth of the good, a unit, to all together.
penalty, threshold : what each pays if the group gives less than the threshold.
low, high : the least and the largest contribution.
cost : "quadratic", k c^2 / 2, or "linear", k c.
bonus : "product", b_i = 1, or "mean", b_i = 1 / (i - 1): the mean of those before.
observation : "full", "sum", "partial" (the last one alone) or "none".
horizon : moves of an episode at most.
discount : weight of the next reward in a learner's objective, in [0, 1).

Solution
--------
`walras.equilibria.solve` finds the subgame-perfect equilibrium by backward induction on continuous contributions,
exactly up to rounding; without observation, the Nash equilibrium of the simultaneous game. Inside the limits, with a
quadratic cost and no penalty, :math:`c_i = (\gamma S_{i-1} + (\rho / n) g^{n-i}) / k` with :math:`g = 1 + \gamma / k`.
With the concept "joint optimum" it finds what maximises the sum of payoffs: inside the limits
:math:`\rho / (k - \gamma (n - 1))` each, with a bonus of products. The scripted rule ignores the others:
:math:`\rho / (n k)`. The gap of a policy that draws nothing, such as a learned one, is bounded from below by many
contributions, played to the end; see `walras.equilibria.matrix.public_goods_gap`.

References
----------
[1] Everyone contributes! Incentivizing strategic cooperation in multi-LLM systems via sequential public goods games,
    2025: the parts of the reward and the order of moves.

Version history
---------------
v0: first version.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from gymnasium.spaces import Box

from walras.core.checks import require, require_episode, require_known, require_numbers, require_whole
from walras.core.game import AbstractGame, End, State, Step
from walras.core.typing import Floats, Image, Ints

COSTS = ("quadratic", "linear")
BONUSES = ("product", "mean")
OBSERVATIONS = ("full", "sum", "partial", "none")
ROUNDING = 1e-12
"""Share of the threshold by which a total may fall short of it and still meet it."""


@dataclass(frozen=True)
class PublicGoodsState(State):
    """Who has contributed what."""

    moves: Ints  # [B]
    given: Floats  # [B, N]


@final
@dataclass(frozen=True)
class SequentialPublicGoods(AbstractGame[PublicGoodsState]):
    """Contributions to a common good, one agent after another.

    Raises
    ------
    ValueError
        If a parameter lies outside its range, is not finite, or names nothing known.
    """

    n: int = 3
    k: float = 1.0
    gamma: float = 0.2
    rho: float = 1.5
    penalty: float = 0.0
    threshold: float = 0.0
    low: float = 0.0
    high: float = 1.0
    cost: str = "quadratic"
    bonus: str = "product"
    observation: str = "full"
    horizon: int = 100
    discount: float = 0.99

    def __post_init__(self) -> None:
        require_numbers(self)
        require_episode(self.horizon, self.discount)
        require_whole(self.n, "n")
        for name in ("gamma", "rho", "penalty", "threshold", "low", "high"):
            value = getattr(self, name)
            require(0 <= value < np.inf, name, "be finite and not negative", value)
        require(0 < self.k < np.inf, "k", "be positive and finite", self.k)
        require(self.low < self.high, "high", f"exceed low, {self.low}", self.high)
        for name, known in (("cost", COSTS), ("bonus", BONUSES), ("observation", OBSERVATIONS)):
            require_known(getattr(self, name), name, known)

    @cached_property
    def agents(self) -> tuple[str, ...]:
        """``agent_0`` .. ``agent_{N-1}``."""
        return tuple(f"agent_{i}" for i in range(self.n))

    @cached_property
    def observation_space(self) -> Box:
        """See the module's table."""
        own = np.array([self.gamma, self.rho, self.penalty, self.threshold])
        seen = np.full(self._seen, self.n * self.high)
        low = np.concatenate([[0.0, 0.0], np.zeros(self._seen), own])
        return Box(low, np.concatenate([[1.0, 1.0], seen, own]), dtype=np.float64)

    @cached_property
    def action_space(self) -> Box:
        """A contribution."""
        return Box(self.low, self.high, (1,), dtype=np.float64)

    @property
    def ends(self) -> End:
        """Nothing comes after the last move."""
        return "rule"

    def mover(self, state: PublicGoodsState) -> Ints:
        """Return who moves next, ``[B]``."""
        return np.minimum(state.moves, self.n - 1)

    def noise(self, rng: np.random.Generator, steps: int) -> Floats:
        """Nothing is drawn: ``[steps, 0]``."""
        return np.empty((steps, 0))

    def reset(self, noise: Floats) -> PublicGoodsState:
        """Start with nothing given."""
        return PublicGoodsState(np.zeros(len(noise), dtype=np.int64), np.zeros((len(noise), self.n)))

    def step(self, state: PublicGoodsState, action: Floats, noise: Floats) -> Step[PublicGoodsState]:
        """Take the mover's contribution; pay all after the last one."""
        moves, turn = state.moves + 1, np.arange(self.n) == state.moves[:, None]
        given = np.where(turn, action[:, :, 0], state.given)
        over = moves >= self.n
        return Step(PublicGoodsState(moves, given), np.where(over[:, None], self.payoff(given), 0.0), over)

    def observe(self, state: PublicGoodsState) -> Floats:
        """Show each agent what it may see of those before it."""
        rows, before = len(state.moves), np.tri(self.n, k=-1)  # [i, j]: whether j moves before i
        observation = np.zeros((rows, self.n, 6 + self._seen))
        observation[:, :, 0] = np.arange(self.n) == state.moves[:, None]
        observation[:, :, 1] = np.arange(1, self.n + 1) / self.n
        given = state.given[:, None] * before
        match self.observation:
            case "full":
                observation[:, :, 2:-4] = given
            case "sum":
                observation[:, :, 2] = np.cumsum(state.given, axis=1) - state.given
            case "partial":
                observation[:, :, 2] = np.concatenate([np.zeros((rows, 1)), state.given[:, :-1]], axis=1)
            case _:
                pass
        observation[:, :, -4:] = self.gamma, self.rho, self.penalty, self.threshold
        return observation

    def scripted(self, observation: Floats) -> Floats:
        """Contribute as one who thinks of its own share alone."""
        alone = self.rho / (self.n * self.k)
        if self.cost == "linear":
            alone = self.high if alone >= 1 else self.low
        return np.full((*observation.shape[:2], 1), np.clip(alone, self.low, self.high))

    def before(self, observation: Floats) -> Floats:
        """Return what all before each agent have given together, ``[B, N]``, from what it sees.

        Raises
        ------
        ValueError
            If agents do not see it.
        """
        rule = "be full or sum for all that was given to be seen"
        require(self.observation in ("full", "sum"), "observation", rule, self.observation)
        return np.cumsum(observation[:, :, 2:-4], axis=2)[:, :, -1]

    def payoff(self, given: Floats) -> Floats:
        """Return each agent's payoff, ``[..., N]``, if all have given ``given [..., N]``."""
        return self.terms(given).sum(axis=-2)

    def terms(self, given: Floats) -> Floats:
        """Return cost, bonus, share and penalty, ``[..., 4, N]``."""
        after = np.cumsum(given, axis=-1)
        total = np.broadcast_to(after[..., -1:], given.shape)
        return np.stack(self._terms(self.weights, after - given, given, total), axis=-2)

    def paid(self, agent: int, before: Floats, own: Floats, total: Floats) -> Floats:
        """Return an agent's payoff ``[M]``, given what was before it, its own and the total contributions."""
        return np.sum(self._terms(self.weights[agent], before, own, total), axis=0)

    def _terms(self, weight: Floats, before: Floats, own: Floats, total: Floats) -> tuple[Floats, ...]:
        cost = -self.k * (own if self.cost == "linear" else own**2 / 2)
        missed = (total < self.threshold * (1 - ROUNDING)).astype(np.float64)
        return cost, self.gamma * own * weight * before, self.rho / self.n * total, -self.penalty * missed

    @cached_property
    def weights(self) -> Floats:
        """b, what the sum before each agent counts in its bonus, ``[N]``."""
        return np.ones(self.n) if self.bonus == "product" else 1 / np.maximum(np.arange(self.n), 1)

    @property
    def _seen(self) -> int:
        return self.n if self.observation == "full" else 1

    def text(self, state: PublicGoodsState) -> str:
        """List the contributions so far."""
        from walras.envs.matrix.pictures import contributions_text

        return contributions_text(self.agents, int(state.moves[0]), state.given[0], self.high)

    def image(self, state: PublicGoodsState) -> Image:
        """Draw the contributions so far, and the threshold."""
        from walras.envs.matrix.pictures import draw_contributions

        return draw_contributions(self.agents, state.given[0], self.n * self.high, self.threshold)
