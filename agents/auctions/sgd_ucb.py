r"""Advertisers that learn their channels' budgets: stochastic gradients for constraints, confidence for values.

Each channel's budget is an arm of a grid from nothing to the whole budget, of about :math:`T^{1/3}` arms. In each
period an advertiser tells channel j the arm

.. math:: a_j = \operatorname*{argmax}_a \; (1 + \lambda) \, \mathrm{UCB}_j(a) - (w + \lambda \gamma + \mu) \, a ,

sees value and spend, and corrects its multipliers of target and budget,

.. math:: \lambda \leftarrow [\lambda - \eta (\textstyle\sum_j V_j - \gamma \sum_j a_j)]_+ , \qquad
          \mu \leftarrow [\mu - \eta (\rho - \textstyle\sum_j a_j)]_+ ,

with :math:`\eta = T^{-1/2}` and w being 1 where it keeps what it does not spend. It takes a budget to be spent, as the
analysis does, and stops when no more money is left for all T periods. This is the algorithm of [1]_ as the suite builds
it: the constants of the paper are others. Confidence is `width` standard deviations of what the channel has returned
around its arms' means, times :math:`\sqrt{2 \log t / n}`.

Several advertisers learn at the same time, each on its own; what holds for one is not proved for them.

What a `TrainedBudgets` tells
-----------------------------
- It acts by the mean of the budgets that it told so far, before any by an even split.
- `curve` has what was earned while learning since the point before, for as many periods as an episode has.
- `diagnostics` has at each checkpoint and for each advertiser ``value`` and ``spend``, the means of all periods so far,
  and both multipliers, ``target_multiplier`` and ``budget_multiplier``.

References
----------
[1] Y. Deng, N. Golrezaei, P. Jaillet, J. C. N. Liang, V. Mirrokni, Multi-channel autobidding with budget and ROI
    constraints, ICML 2023.
"""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any, cast, final

import numpy as np

from walras.agents.kept import Keeper, KeptTrained
from walras.core import learner as contract
from walras.core.checks import require, require_whole
from walras.core.game import AbstractGame, Actions
from walras.core.typing import Floats
from walras.envs.auctions.autobidding_market import AutobiddingMarket
from walras.markets.auctions.channels import handed


@final
@dataclass(frozen=True)
class SGDUCB(Keeper["TrainedBudgets"]):
    """Settings.

    Raises
    ------
    ValueError
        If a number is no whole number, or not positive.
    """

    steps: int = 2_000
    """T, periods."""
    checkpoints: int = 1
    arms: int | None = None
    """Budgets of a channel, besides none; by default the cube root of T, rounded up."""
    width: float = 0.5
    """Confidence, in standard deviations."""

    def __post_init__(self) -> None:
        contract.check_budget(self.steps, self.checkpoints)
        if self.arms is not None:
            require_whole(self.arms, "arms")
        require(0 < self.width < np.inf, "width", "be positive and finite", self.width)

    def check(self, game: AbstractGame[Any]) -> None:
        """Refuse all games but autobidding markets in which channels are told budgets.

        Raises
        ------
        TypeError
            If `game` is another.
        """
        _known(game)

    def learn(
        self, game: AbstractGame[Any], seed: int, start: contract.Trained | None = None
    ) -> "Iterator[TrainedBudgets]":
        """Learn; see `walras.core.learner.Learner`.

        Raises
        ------
        TypeError
            As `check`.
        ValueError
            If `start` was trained on another game or by other settings.
        """
        known = _known(game)
        if start is not None:
            contract.check_start(start, self, game)
        return _periods(self, known, seed, cast(TrainedBudgets | None, start))


@final
@dataclass(frozen=True, eq=False)
class TrainedBudgets(KeptTrained):
    """N advertisers that learned budgets for J channels, A arms each."""

    learner: SGDUCB
    game: AutobiddingMarket
    arm: Floats  # [N, A] money a period
    count: Floats  # [N, J, A] periods in which an arm was told
    total: Floats  # [N, J, A] money, value that came of it
    square: Floats  # [N, J, A] money squared, likewise
    told: Floats  # [N, J] money, sum of budgets told
    multiplier: Floats  # [2, N] of target and budget
    value: Floats  # [N] money, so far
    spend: Floats  # [N] money, so far
    steps: int
    history: tuple[tuple[int, Mapping[str, Floats]], ...]  # at each checkpoint: periods, and what is told
    rng: np.random.Generator

    @property
    def independent(self) -> bool:
        """Advertisers draw nothing."""
        return True

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Return the mean budgets, ``[B, N, J]``."""
        even = np.repeat(np.array(self.game.budgets)[:, None] / self.game.channels, self.game.channels, axis=1)
        mean = self.told / self.steps if self.steps else even
        return np.broadcast_to(mean, (len(observation), *mean.shape)).copy()

    @property
    def curve(self) -> contract.Curve:
        """What was earned since the checkpoint before, for an episode."""
        if not self.history:
            return contract.Curve.empty(self.game.advertisers)
        steps, told = np.array([0, *(steps for steps, _ in self.history)]), self.diagnostics
        worth = told["value"] - (told["spend"] if self.game.utility == "quasilinear" else 0.0)
        earned = np.diff(np.vstack((np.zeros(len(self.arm)), worth * steps[1:, None])), axis=0)
        periods = np.diff(steps)
        total = self.game.horizon * earned / periods[:, None]
        return contract.Curve(steps[1:], periods // self.game.horizon, total)

    @property
    def diagnostics(self) -> Mapping[str, Floats]:
        """See the module; ``[checkpoints, N]`` each, nothing before the first."""
        names = self.history[-1][1] if self.history else {}
        return {name: np.stack([told[name] for _, told in self.history]) for name in names}


def train(
    game: AutobiddingMarket,
    seed: int = 0,
    *,
    start: TrainedBudgets | None = None,
    **settings: Any,  # noqa: ANN401
) -> TrainedBudgets:
    """Learn the budgets of channels.

    Parameters
    ----------
    game : AutobiddingMarket
        The market.
    seed : int
        Of auctions.
    start : TrainedBudgets, optional
        Go on from here.
    **settings
        Fields of `SGDUCB`.

    Raises
    ------
    TypeError
        If the game is another, or channels are told targets.
    ValueError
        As `SGDUCB.learn`.

    Examples
    --------
    >>> from walras.agents import sgd_ucb
    >>> from walras.envs import AutobiddingMarket
    >>> learned = sgd_ucb.train(AutobiddingMarket(), steps=300)
    >>> bool(2.0 < learned.value[0] / learned.steps < 3.02)
    True
    """
    return cast(TrainedBudgets, contract.train(SGDUCB(**settings), game, seed, start))


def _known(game: AbstractGame[Any]) -> AutobiddingMarket:
    if not isinstance(game, AutobiddingMarket) or game.levers != "budgets":
        raise TypeError(f"`game` must be an AutobiddingMarket with budgets as levers; got {type(game).__name__}.")
    return game


def _untrained(learner: SGDUCB, game: AutobiddingMarket, seed: int) -> TrainedBudgets:
    arms = learner.arms or int(np.ceil(learner.steps ** (1 / 3)))
    share = np.linspace(0.0, 1.0, arms + 1)
    none = np.zeros((game.advertisers, game.channels, arms + 1))
    each = np.zeros(game.advertisers)
    arm = np.array(game.budgets)[:, None] * share
    rng = np.random.default_rng(seed)
    return TrainedBudgets(
        learner, game, arm, none, none, none, none[:, :, 0], np.zeros((2, len(each))), each, each, 0, (), rng
    )


def _periods(
    learner: SGDUCB, game: AutobiddingMarket, seed: int, start: TrainedBudgets | None
) -> Iterator[TrainedBudgets]:
    now = start
    if now is None:
        yield (now := _untrained(learner, game, seed))
    for mark in contract.marks(learner.steps, learner.checkpoints, now.steps):
        now = _told(_played(replace(now, learner=learner), mark))
        yield now


def _played(before: TrainedBudgets, until: int) -> TrainedBudgets:
    """Return the same after so many periods in all; what is given is not changed."""
    learner, game, rng = before.learner, before.game, deepcopy(before.rng)
    count, total, square, told = (part.copy() for part in (before.count, before.total, before.square, before.told))
    multiplier, value, spend = before.multiplier.copy(), before.value.copy(), before.spend.copy()
    budget, target = np.array(game.budgets), np.array(game.targets)
    rate, who = learner.steps**-0.5, np.arange(game.advertisers)[:, None]
    place, none = np.arange(game.channels), np.zeros((1, game.advertisers, game.channels))
    for t in range(before.steps, until):
        hope = _hope(count, total, square, learner.width, t + 1)
        price = (game.utility == "quasilinear") + multiplier[0] * target + multiplier[1]
        score = (1 + multiplier[0])[:, None, None] * hope - price[:, None, None] * before.arm[:, None]
        chosen = score.argmax(axis=2)
        money = before.arm[who, chosen]
        broke = spend + money.sum(axis=1) > learner.steps * budget
        chosen[broke], money[broke] = 0, 0.0
        lots = game.auctions.lots(game.noise(rng, 1), game.advertisers)
        back = handed(lots, money[None], none)
        count[who, place, chosen] += 1
        total[who, place, chosen] += back.value[0]
        square[who, place, chosen] += back.value[0] ** 2
        told += money
        won, paid = back.value[0].sum(axis=1), money.sum(axis=1)
        value, spend = value + won, spend + back.spend[0].sum(axis=1)
        multiplier = np.maximum(multiplier - rate * np.stack((won - target * paid, budget - paid)), 0.0)
    return replace(
        before,
        count=count,
        total=total,
        square=square,
        told=told,
        multiplier=multiplier,
        value=value,
        spend=spend,
        steps=until,
        rng=rng,
    )


def _hope(count: Floats, total: Floats, square: Floats, width: float, t: int) -> Floats:
    """Return upper confidence bounds ``[N, J, A]`` of what arms return; infinite before an arm is tried."""
    tried = np.maximum(count, 1)
    mean = total / tried
    spread = np.maximum(square - tried * mean**2, 0.0).sum(axis=2) / np.maximum((count - 1).clip(0).sum(axis=2), 1)
    bonus = width * np.sqrt(spread[..., None] * 2 * np.log(t) / tried)
    return np.where(count > 0, mean + bonus, np.inf)


def _told(now: TrainedBudgets) -> TrainedBudgets:
    """Return the same with what a checkpoint tells added to the history."""
    told = {
        "value": now.value / now.steps,
        "spend": now.spend / now.steps,
        "target_multiplier": now.multiplier[0],
        "budget_multiplier": now.multiplier[1],
    }
    return replace(now, history=(*now.history, (now.steps, told)))
