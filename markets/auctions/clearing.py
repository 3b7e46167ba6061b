"""`clear`: B sealed-bid auctions at once, in any format.

Ties are shared evenly, in expectation, or broken by numbers that the caller draws: among equal bids the largest number
wins. A row of a batch equals that row alone, bit for bit.
"""

from typing import cast

import numpy as np
from numpy.typing import ArrayLike

from walras.core.checks import as_numbers, require, require_each
from walras.markets.auctions.outcome import Format, Outcome

LARGEST = 1e300
"""Largest bid, money."""


def clear(format: Format, bids: ArrayLike, *, ties: ArrayLike | None = None) -> Outcome:
    """Clear B auctions.

    Parameters
    ----------
    format : Format
        The rule, such as ``FirstPrice()``.
    bids : array_like
        ``[B, N]``, or ``[B, N, M]`` for several units or packages, in money. Where bidders may stay out (an entry fee
        is set), NaN is no bid.
    ties : array_like, optional
        ``[B, N]`` numbers in (0, 1), different within a row: among equal bids the largest wins. By default equal bids
        share, and the outcome is an expectation.

    Raises
    ------
    ValueError
        If `format` is no rule of sealed bids, or cannot clear as many bidders; or a bid is negative, above `LARGEST`
        or, where nobody may stay out, NaN.

    Examples
    --------
    >>> from walras.markets.auctions import SecondPrice, clear
    >>> clear(SecondPrice(), [[3.0, 5.0, 4.0]])
    Outcome(allocation=array([[0., 1., 0.]]), payment=array([[0., 4., 0.]]), price=array([4.]))
    """
    given = cast(object, format)  # what a caller passes
    sound = isinstance(given, Format) and not isinstance(given, type)
    require(sound, "format", "be a rule of sealed bids, such as FirstPrice()", format)
    array = as_numbers("bids", bids)
    format.check(array.shape)
    out = np.isnan(array) if getattr(format, "entry_fee", 0.0) else np.zeros(array.shape, dtype=np.bool_)
    require_each(out | (np.isfinite(array) & (array >= 0)), "bids", "be finite numbers, at least 0", array)
    require_each(array[~out] <= LARGEST, "bids", f"be at most {LARGEST:g}, so that payments are finite", array[~out])
    if ties is None:
        return format.clear(array, None)
    numbers = as_numbers("ties", ties)
    require(numbers.shape == array.shape[:2], "ties", f"have the shape {array.shape[:2]}", numbers.shape)
    require_each((numbers > 0) & (numbers < 1), "ties", "lie between 0 and 1", numbers)
    return format.clear(array, numbers)
