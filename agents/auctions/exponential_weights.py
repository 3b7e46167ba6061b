r"""Bidders without regret: each type of each bidder weighs the bids of a grid by what they would have earned.

Types are cut into K cells of equal mass, and each cell plays :math:`x_b \propto e^{\eta U_b}`, with :math:`U_b` what
bid b would have earned so far against the others' strategies, as a share of the highest type. What a bid earns is
the mean over the others' types and draws, by the same chances and payments as in the certificate
(`walras.equilibria.auctions.terms`): nothing is sampled, and the seed counts only where play is drawn. For payoffs
in [0, 1], M bids and :math:`\eta = \sqrt{8 \ln M / T}` regret a round is at most :math:`\sqrt{\ln M / 2T}` against
anybody [1]_; against others who follow the same rule larger steps, such as the default, leave less.

What acts is the mean strategy of the rounds, or the last one. Without regret the rounds together approach a Bayes
coarse correlated equilibrium, and need not approach a Bayes-Nash equilibrium; how far they are is certified
(`walras.equilibria.MixedBidding`), and what the grid costs is part of it. A round is one environment step.

What a `TrainedWeights` tells
-----------------------------
- `curve` has the mean returns of `EPISODES` episodes of what acts; nothing is learned from them.
- `diagnostics` has at each checkpoint ``regret``, what the best bid of each type would have earned more a round, money.

References
----------
[1] N. Cesa-Bianchi, G. Lugosi, Prediction, Learning, and Games, 2006, Theorem 2.2.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeAlias, cast, final

import numpy as np

from walras.agents.kept import Keeper, KeptTrained
from walras.core import learner as contract
from walras.core.checks import require, require_known, require_numbers, require_whole
from walras.core.game import AbstractGame, Actions
from walras.core.rollout import rollout
from walras.core.typing import Floats
from walras.envs.auctions.contest import Contest
from walras.envs.auctions.double_auction import DoubleAuction
from walras.envs.auctions.sealed_bid_auction import SealedBidAuction
from walras.equilibria.auctions.gap import cap_of, faced, priors_of, risk_of, uncovered
from walras.equilibria.auctions.interim import Terms
from walras.equilibria.auctions.mixed import MixedBidding, is_turned, rivals_of
from walras.equilibria.auctions.opposing import Cells
from walras.markets.auctions import ThirdPrice

EPISODES = 32
"""Episodes of a point of the curve."""
Auction: TypeAlias = SealedBidAuction | Contest | DoubleAuction
"""What can be learned."""


@final
@dataclass(frozen=True)
class ExponentialWeights(Keeper["TrainedWeights"]):
    """Settings.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """

    steps: int = 1_000
    """T, rounds."""
    checkpoints: int = 1
    types: int = 64
    """K, cells of types of each bidder."""
    bids: int = 65
    """M, bids from nothing to the largest that is allowed."""
    rate: float = 5.0
    """Step, an inverse of payoffs as shares of the highest type."""
    play: str = "average"
    """Which strategy acts: that of all rounds, "average", or the "last"."""

    def __post_init__(self) -> None:
        require_numbers(self)
        contract.check_budget(self.steps, self.checkpoints)
        require_whole(self.types, "types")
        require_whole(self.bids, "bids")
        require(self.bids >= 2, "bids", "be at least 2", self.bids)
        require(0 < self.rate < np.inf, "rate", "be positive and finite", self.rate)
        require_known(self.play, "play", ("average", "last"))

    def check(self, game: AbstractGame[Any]) -> None:
        """Refuse all but auctions of one good, double auctions and contests by rank, with private values.

        Aversion to risk is refused, and third price: the certificate bounds what is paid in ties there alone.

        Raises
        ------
        TypeError
            If `game` is another.
        """
        _known(game)

    def learn(
        self, game: AbstractGame[Any], seed: int, start: contract.Trained | None = None
    ) -> "Iterator[TrainedWeights]":
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
        return _rounds(self, known, cast(TrainedWeights | None, start))


@final
@dataclass(frozen=True, eq=False)
class TrainedWeights(KeptTrained):
    """N bidders, of K cells of types, who weigh M bids."""

    learner: ExponentialWeights
    game: Auction
    bids: Floats  # [M] money
    worth: Floats  # [N, K, M] money, what each bid would have earned so far
    earned: Floats  # [N, K] money, so far
    total: Floats  # [N, K, M] sum of strategies
    steps: int
    history: tuple[tuple[int, Mapping[str, Floats]], ...]  # at each checkpoint: rounds, and what is told

    @property
    def independent(self) -> bool:
        """Bidders draw independently."""
        return True

    @cached_property
    def strategy(self) -> Floats:
        """Chances of the next round, ``[N, K, M]``."""
        scaled = self.learner.rate * self.worth / _highest(self.game)
        weight = np.exp(scaled - scaled.max(axis=2, keepdims=True))
        return weight / weight.sum(axis=2, keepdims=True)

    @cached_property
    def declared(self) -> MixedBidding:
        """What acts, as mixed bids; see `walras.core.policy.Declaring`."""
        last = self.learner.play == "last" or not self.steps
        chance = self.strategy if last else self.total / self.steps
        return MixedBidding(self.game, priors_of(self.game), self.bids, chance)

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Draw the bids, ``[B, N, 1]``."""
        return self.declared.act(observation, rng)

    @property
    def curve(self) -> contract.Curve:
        """Returns of what acted at each checkpoint."""
        steps = np.array([steps for steps, _ in self.history])
        return contract.Curve(steps, np.zeros_like(steps), np.stack([told["return"] for _, told in self.history]))

    @property
    def diagnostics(self) -> Mapping[str, Floats]:
        """See the module; ``[checkpoints, N]``."""
        return {"regret": np.stack([told["regret"] for _, told in self.history])}


def train(
    game: Auction,
    seed: int = 0,
    *,
    start: TrainedWeights | None = None,
    **settings: Any,  # noqa: ANN401
) -> TrainedWeights:
    """Let all bidders of an auction follow exponential weights.

    Parameters
    ----------
    game : SealedBidAuction, DoubleAuction or Contest
        The auction.
    seed : int
        Not used: nothing is drawn.
    start : TrainedWeights, optional
        Go on from here.
    **settings
        Fields of `ExponentialWeights`.

    Raises
    ------
    TypeError
        If the game is another.
    ValueError
        As `ExponentialWeights` and `ExponentialWeights.learn`.

    Examples
    --------
    >>> from walras.agents import exponential_weights
    >>> from walras.envs import SealedBidAuction
    >>> from walras.equilibria import gap
    >>> game = SealedBidAuction()
    >>> learned = exponential_weights.train(game, steps=200)
    >>> bool((gap(game, learned).relative.upper < 0.1).all())
    True
    """
    return cast(TrainedWeights, contract.train(ExponentialWeights(**settings), game, seed, start))


def _known(game: AbstractGame[Any]) -> Auction:
    if not isinstance(game, SealedBidAuction | Contest | DoubleAuction) or _is_left_out(game):
        rule = "be an auction of one good but third price, a double auction or a contest by rank"
        raise TypeError(f"`game` must {rule}, with private values and no aversion to risk; got {game!r}.")
    return game


def _is_left_out(game: Auction) -> bool:
    """Return whether payoffs are not known: of third price the certificate bounds what is paid in ties."""
    return bool(uncovered(game)) or set(risk_of(game)) != {1.0} or isinstance(game.format, ThirdPrice)


def _highest(game: Auction) -> float:
    return max(prior.high for prior in priors_of(game))


def _untrained(learner: ExponentialWeights, game: Auction) -> TrainedWeights:
    low = float(game.action_space.low[0])  # below nothing stays out
    bids = np.unique(np.append(np.linspace(0.0, cap_of(game), learner.bids), low))
    none = np.zeros((len(game.agents), learner.types, len(bids)))
    return TrainedWeights(learner, game, bids, none, none[:, :, 0], none, 0, ())


def _rounds(learner: ExponentialWeights, game: Auction, start: TrainedWeights | None) -> Iterator[TrainedWeights]:
    now = start
    if now is None:
        yield (now := _told(_untrained(learner, game)))
    for mark in contract.marks(learner.steps, learner.checkpoints, now.steps):
        now = _told(_played(replace(now, learner=learner), mark))
        yield now


def _played(before: TrainedWeights, until: int) -> TrainedWeights:
    """Return the same after so many rounds in all; what is given is not changed."""
    now, means = before, _means(before)
    for step in range(before.steps, until):
        chance = now.strategy
        utility = _utilities(now.game, now.bids, chance, means)
        worth, earned = now.worth + utility, now.earned + (chance * utility).sum(axis=2)
        now = replace(now, worth=worth, earned=earned, total=now.total + chance, steps=step + 1)
    return now


def _means(now: TrainedWeights) -> Floats:
    """Return the mean type of each cell, ``[N, K]``."""
    share = np.linspace(0.0, 1.0, now.worth.shape[1] + 1)
    return np.stack([prior.cell_mean(share[:-1], share[1:]) for prior in priors_of(now.game)])


def _utilities(game: Auction, bids: Floats, chance: Floats, means: Floats) -> Floats:
    """Return what each bid earns each type against the others' strategies, ``[N, K, M]``."""
    done, everyone = dict[int, tuple[Floats, Floats]](), list[Floats]()
    for i, terms in enumerate(faced(game, rivals_of(bids, chance))):
        sells = is_turned(game, i)
        if id(terms) not in done:
            done[id(terms)] = _won_and_paid(terms, -bids[::-1]) if sells else _won_and_paid(terms, bids)
        won, paid = (part[::-1] if sells else part for part in done[id(terms)])
        everyone.append((-means[i, :, None] if sells else means[i, :, None]) * won - paid)
    return np.stack(everyone)


def _won_and_paid(terms: Terms, bids: Floats) -> tuple[Floats, Floats]:
    """Return the chance to win and the mean payment of each bid: both ends agree where all bids are of the grid."""
    won, paid = terms.chance(Cells(bids, bids)), terms.paid(bids)
    return (won.low + won.high) / 2, (paid.low + paid.high) / 2


def _told(now: TrainedWeights) -> TrainedWeights:
    """Return the same with what a checkpoint tells added to the history."""
    regret = (now.worth.max(axis=2) - now.earned).mean(axis=1) / max(now.steps, 1)
    told = {"regret": regret, "return": rollout(now.game, now, range(EPISODES)).total.mean(axis=0)}
    return replace(now, history=(*now.history, (now.steps, told)))
