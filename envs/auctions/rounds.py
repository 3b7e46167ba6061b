"""What all auction games share: rounds with fresh types, what bidders see, and what they earn."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from walras.core.checks import per_agent, require, require_each
from walras.core.game import AbstractGame, Image, State, Step
from walras.core.typing import Floats
from walras.markets.auctions.outcome import Outcome
from walras.markets.auctions.priors import Prior


@dataclass(frozen=True)
class AuctionState(State):
    """The types of the round to come, and the outcome of the last one; T numbers a type, A a bid."""

    type: Floats  # [B, N, T] what each bidder sees
    value: Floats  # [B, N, T] money, what a good won is worth to it
    bid: Floats  # [B, N, A] money, last round
    won: Floats  # [B, N, T] last round
    payment: Floats  # [B, N] money, last round


class AbstractRounds(AbstractGame[AuctionState]):
    """Rounds of sealed bids: types are drawn, all bid at the same time, a rule decides, and new types are drawn."""

    unit: ClassVar[str] = "money"

    @abstractmethod
    def types(self, noise: Floats) -> tuple[Floats, Floats]:
        """Return the types and values, ``[B, N, T]`` each, that noise draws."""

    @abstractmethod
    def decide(self, state: AuctionState, action: Floats, noise: Floats) -> tuple[Floats, Outcome]:
        """Return the bids ``[B, N, A]`` that actions are, and their outcome; noise settles ties."""

    def utility(self, income: Floats) -> Floats:
        """Return what ``income [B, N]`` is worth to bidders: itself, unless the game says otherwise."""
        return income

    def reset(self, noise: Floats) -> AuctionState:
        """Draw the first types; nothing was bid."""
        types, values = self.types(noise)
        bid, payment = np.zeros((*types.shape[:2], *(self.action_space.shape or ()))), np.zeros(types.shape[:2])
        return AuctionState(types, values, bid, np.zeros_like(types), payment)

    def step(self, state: AuctionState, action: Floats, noise: Floats) -> Step[AuctionState]:
        """Hold a round and draw the next types; the bids and their outcome are kept."""
        bid, outcome = self.decide(state, action, noise)
        types, values = self.types(noise)
        after = AuctionState(types, values, bid, outcome.allocation.reshape(types.shape), outcome.payment)
        return Step(after, self.utility(money(state.value, outcome)), np.zeros(len(action), dtype=np.bool_))

    def observe(self, state: AuctionState) -> Floats:
        """Show each bidder its own type and which bidder it is, ``[B, N, T + N]``."""
        role = np.broadcast_to(np.eye(state.type.shape[1]), (*state.type.shape[:2], state.type.shape[1]))
        return np.concatenate((state.type, role), axis=2)

    def text(self, state: AuctionState) -> str:
        """List the last round."""
        from walras.envs.auctions.pictures import auction_text

        return auction_text(self.agents, state.bid[0], state.won[0], state.payment[0], state.type[0])

    def image(self, state: AuctionState) -> Image:
        """Draw the last round."""
        from walras.envs.auctions.pictures import draw_auction

        return draw_auction(self.agents, state.bid[0], state.won[0], state.payment[0])


def money(value: Floats, outcome: Outcome) -> Floats:
    """Return what bidders have from an outcome, ``[B, N]``: the worth of what they won, less what they pay."""
    won = outcome.allocation.reshape(value.shape)
    total = -outcome.payment
    for entry in range(value.shape[2]):  # term by term: a row does not feel its batch
        total = total + value[:, :, entry] * won[:, :, entry]
    return total


def risks(risk: tuple[float, ...] | float, bidders: int) -> tuple[float, ...]:
    """Return one exponent a bidder.

    Raises
    ------
    ValueError
        If one lies outside (0, 1].
    """
    each = per_agent("risk", risk, bidders)
    array = np.array(each)
    require_each((array > 0) & (array <= 1), "risk", "lie in (0, 1]", array)
    return each


def require_prior(prior: object, name: str) -> None:
    """Raise ``ValueError`` unless `prior` is a distribution of values that are not negative."""
    distribution = isinstance(prior, Prior) and not isinstance(prior, type)
    require(distribution, name, "be a distribution, such as Uniform(0, 1)", prior)
    assert isinstance(prior, Prior)
    require(prior.low >= 0, name, "hold no negative values", prior)
