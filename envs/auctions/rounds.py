"""What all auction games share: the state after a round, what bidders see of it, and what they earn."""

from dataclasses import dataclass

import numpy as np

from walras.core.checks import per_agent, require, require_each
from walras.core.game import State
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


def before_any_round(types: Floats, values: Floats, entries: int) -> AuctionState:
    """Return the first state of types and values ``[B, N, T]``, with bids of A = `entries` numbers."""
    rows, bidders = types.shape[:2]
    nothing = np.zeros((rows, bidders, entries)), np.zeros_like(types), np.zeros((rows, bidders))
    return AuctionState(types, values, *nothing)


def after_round(types: Floats, values: Floats, bid: Floats, outcome: Outcome) -> AuctionState:
    """Return the state with fresh types, in which the last bids and their outcome are kept."""
    won = outcome.allocation.reshape(types.shape)
    return AuctionState(types, values, bid, won, outcome.payment)


def own_type_and_role(state: AuctionState) -> Floats:
    """Return what bidders see, ``[B, N, T + N]``: their own type, and which bidder they are."""
    role = np.broadcast_to(np.eye(state.type.shape[1]), (*state.type.shape[:2], state.type.shape[1]))
    return np.concatenate((state.type, role), axis=2)


def money(value: Floats, outcome: Outcome) -> Floats:
    """Return what bidders have from an outcome, ``[B, N]``: the worth of what they won, less what they pay."""
    won = outcome.allocation.reshape(value.shape)
    total = -outcome.payment
    for entry in range(value.shape[2]):  # term by term: a row does not feel its batch
        total = total + value[:, :, entry] * won[:, :, entry]
    return total


def utility(income: Floats, risk: Floats) -> Floats:
    r"""Return utilities of constant relative risk aversion, :math:`\mathrm{sign}(x) |x|^\rho`, of ``income [B, N]``."""
    return np.sign(income) * np.abs(income) ** risk


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
    require(isinstance(prior, Prior), name, "be a distribution, such as Uniform(0, 1)", prior)
    assert isinstance(prior, Prior)
    require(prior.low >= 0, name, "hold no negative values", prior)
