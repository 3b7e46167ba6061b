r"""Whether a valuation is fully substitutable: the exchange test, with a witness where it fails.

Count a trade bought as an object received and a trade sold as one given away, so that a bundle leaves the agent with
the objects that it bought or did not sell. A valuation f of objects is M-natural-concave if for all sets X and Y that
are feasible, and every x in X but not in Y,

.. math:: f(X) + f(Y) \le \max_{y \in (Y \setminus X) \cup \{\emptyset\}} f(X - x + y) + f(Y + x - y),

and this is the same as full substitutability [1]_. The test tries all pairs of bundles: O(4^d d^2). Families that are
flows pass it by construction (`walras.markets.trading.valuations`).

References
----------
.. [1] J. W. Hatfield, S. D. Kominers, A. Nichifor, M. Ostrovsky, A. Westkamp, Full substitutability, Theoretical
   Economics 14, 2019.
"""

import warnings
from dataclasses import dataclass
from typing import final

import numpy as np

from walras.core.checks import require
from walras.core.typing import Floats, Ints
from walras.markets.trading.trading_network import TradingNetwork
from walras.markets.trading.valuations import FlowValuation, Valuation

LARGEST_TESTED = 10  # trades
TOLERANCE = 1e-9  # of the valuation's largest number


@final
@dataclass(frozen=True)
class Violation:
    """Two bundles that cannot exchange a trade without a loss.

    If one of them takes `trade` in and the other drops it, alone or with one other trade moved back, the sum of their
    values falls by `loss` at least: the agent wants `trade` for the sake of others.
    """

    first: tuple[int, ...]  # trades
    second: tuple[int, ...]  # trades
    trade: int  # in one of the two
    loss: float  # money; infinite if every exchange is infeasible

    def __str__(self) -> str:
        loss = f"they lose {self.loss:g}" if np.isfinite(self.loss) else "every exchange is infeasible"
        return f"bundles {self.first} and {self.second} cannot exchange trade {self.trade}: {loss}"


def find_violation(valuation: Valuation) -> Violation | None:
    """Return a violation of full substitutability, or None if there is none.

    Parameters
    ----------
    valuation : Valuation
        Of 10 trades at most.

    Raises
    ------
    ValueError
        If there are more trades.

    Examples
    --------
    >>> from walras.markets.trading.substitutes import find_violation
    >>> from walras.markets.trading.trading_network import Table
    >>> print(find_violation(Table({(0,): 1, (1,): 1, (0, 1): 5}, buys=[0, 1], sells=[])))
    bundles (0, 1) and () cannot exchange trade 0: they lose 3
    """
    degree = valuation.degree
    require(degree <= LARGEST_TESTED, "valuation", f"have {LARGEST_TESTED} trades at most to be tested", degree)
    place = np.arange(degree)
    given_away = int((1 << place[valuation.sides < 0]).sum())
    objects = np.arange(2**degree)
    worth = valuation.value(((objects ^ given_away)[:, None] >> place & 1).astype(np.bool_))
    feasible = objects[np.isfinite(worth)]
    for k in range(degree):
        first, second = feasible[feasible >> k & 1 == 1], feasible[feasible >> k & 1 == 0]
        loss = worth[first][:, None] + worth[second] - _best_exchange(worth, first, second, k)
        if loss.max(initial=0.0) > TOLERANCE * max(valuation.magnitude, 1.0):
            row, column = np.unravel_index(np.argmax(loss), loss.shape)
            bundles = (_trades(valuation, int(side) ^ given_away) for side in (first[row], second[column]))
            return Violation(*bundles, trade=valuation.trades[k], loss=float(loss[row, column]))
    return None


def is_fully_substitutable(valuation: Valuation) -> bool:
    """Return whether no violation exists; `find_violation` tells which.

    Raises
    ------
    ValueError
        If the valuation has more than 10 trades.

    Examples
    --------
    >>> from walras.markets.trading.substitutes import is_fully_substitutable
    >>> from walras.markets.trading.trading_network import Intermediary
    >>> is_fully_substitutable(Intermediary(buys=[0, 1], sells=[2, 3]))
    True
    """
    return find_violation(valuation) is None


def check_substitutes(network: TradingNetwork) -> dict[int, Violation]:
    """Return the agents that are not fully substitutable, each with a violation; agents that are flows need no test.

    Warns
    -----
    UserWarning
        For each such agent, with the violation: an equilibrium need not exist. And for each agent of more than 10
        trades that cannot be tested.
    """
    found: dict[int, Violation] = {}
    for agent, valuation in enumerate(network.agents):
        if isinstance(valuation, FlowValuation):
            continue
        name = network.names[agent]
        if valuation.degree > LARGEST_TESTED:
            warnings.warn(f"Agent {name!r} was not tested: it has {valuation.degree} trades.", stacklevel=2)
        elif (violation := find_violation(valuation)) is not None:
            found[agent] = violation
            message = f"Agent {name!r} is not fully substitutable, and no equilibrium need exist: {violation}."
            warnings.warn(message, stacklevel=2)
    return found


def _best_exchange(worth: Floats, first: Ints, second: Ints, k: int) -> Floats:
    """Return the most that all pairs of `first` and `second` are worth after object k has moved, ``[X, Y]``."""
    without, joined = first ^ (1 << k), second ^ (1 << k)
    best = worth[without][:, None] + worth[joined]
    for back in range(len(worth).bit_length() - 1):
        rows, columns = np.flatnonzero(first >> back & 1 == 0), np.flatnonzero(second >> back & 1)
        swap = worth[without[rows] | (1 << back)][:, None] + worth[joined[columns] & ~(1 << back)]
        at = np.ix_(rows, columns)
        best[at] = np.maximum(best[at], swap)
    return best


def _trades(valuation: Valuation, bundle: int) -> tuple[int, ...]:
    return tuple(trade for k, trade in enumerate(valuation.trades) if bundle >> k & 1)
