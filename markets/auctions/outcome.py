"""What an auction decides, the same for every format."""

from typing import NamedTuple, Protocol, runtime_checkable

from walras.core.typing import Floats


class Outcome(NamedTuple):
    """The outcome of B auctions among N bidders, of M units or packages where a bid holds several numbers.

    A bidder with value v for what `allocation` counts earns v times it, less its payment. Who sells holds a negative
    allocation and gets a negative payment.
    """

    allocation: Floats  # [B, N] or [B, N, M] won; between 0 and 1 where a tie is shared
    payment: Floats  # [B, N] money, expected where a tie is shared
    price: Floats  # [B] money a unit, of the marginal unit where units differ; 0 where nothing is sold


@runtime_checkable
class Format(Protocol):
    """A rule of sealed bids: a frozen dataclass of its parameters."""

    def clear(self, bids: Floats, ties: Floats | None) -> Outcome:
        """Return the outcome of checked bids; the public way is `walras.markets.auctions.clear`."""
        ...

    def check(self, shape: tuple[int, ...]) -> None:
        """Raise ``ValueError`` unless bids of this shape can be cleared."""
        ...
