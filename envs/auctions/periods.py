"""The state of an autobidding market."""

from dataclasses import dataclass

from walras.core.game import State
from walras.core.typing import Floats, Ints


@dataclass(frozen=True)
class AutobiddingState(State):
    """The last period, and what there was so far."""

    worth: Floats  # [B, N, J, K] money, values of the last auctions
    price: Floats  # [B, N, J, K] money, their competing prices, the same for all
    lever: Floats  # [B, N, A] last period
    value: Floats  # [B, N, J] money, last period
    spend: Floats  # [B, N, J] money, last period
    all_value: Floats  # [B, N] money, so far
    all_spend: Floats  # [B, N] money, so far
    period: Ints  # [B] periods played
