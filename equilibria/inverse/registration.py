"""Families whose parameters can be inferred, one line each: strings, nothing is imported yet."""

from collections.abc import Callable
from typing import Any

from walras.core.checks import require_known
from walras.core.game import AbstractGame, check_game
from walras.core.lazy import load
from walras.core.typing import Floats
from walras.equilibria.inverse.family import AbstractFamily
from walras.equilibria.registration import OBSERVED, PLAY_TABLES, answer

FAMILIES = {
    "InverseBertrand": "matrix.inverse_bertrand",
    "InverseCournot": "electricity.inverse_cournot",
    "InverseDayAhead": "electricity.inverse_day_ahead",
    "InverseExchange": "allocation.inverse_exchange",
    "InverseFirstPrice": "auctions.inverse_auctions",
    "InverseFisher": "allocation.inverse_fisher",
    "InverseMarkov": "matrix.inverse_markov",
    "InverseMatrix": "matrix.inverse_matrix",
    "InverseSecondPrice": "auctions.inverse_auctions",
    "InverseSupply": "electricity.inverse_supply",
    "InverseUndercutting": "matrix.inverse_bertrand",
}
"""From the name of a family to its module in `walras.equilibria`."""


def family_of(given: AbstractFamily[Any] | AbstractGame[Any] | str) -> AbstractFamily[Any]:
    """Return a family: itself, that of a game whose costs are unknown, or by its name.

    Raises
    ------
    TypeError
        If it is none of these, or no family is registered for the game.
    ValueError
        If no family has this name.
    """
    return known_family(given)[0]


def known_family(given: AbstractFamily[Any] | AbstractGame[Any] | str) -> tuple[AbstractFamily[Any], Floats | None]:
    """Return a family, and the parameters of the game if it is one; see `family_of`."""
    if isinstance(given, AbstractFamily):
        return given, None
    if isinstance(given, str):
        require_known(given, "game_family", FAMILIES)
        return load(f"walras.equilibria.{FAMILIES[given]}:{given}")(), None
    check_game(given)
    return _registered(OBSERVED, given)(given)


def table_writer(game: AbstractGame[Any]) -> Callable[..., Any]:
    """Return what writes the play of a game as a table.

    Raises
    ------
    TypeError
        If nothing is registered for the game.
    """
    check_game(game)
    return _registered(PLAY_TABLES, game)


def _registered(entries: dict[str, str], game: AbstractGame[Any]) -> Callable[..., Any]:
    found = answer(entries, game)
    if found is None:
        known = ", ".join(sorted(entries))
        raise TypeError(f"`game_family` must be a family, or a game of {known}; got {type(game).__name__}.")
    return found
