"""Families whose parameters can be inferred, one line each: strings, nothing is imported yet."""

from typing import Any

from walras.core.checks import require_known
from walras.core.game import AbstractGame, check_game
from walras.core.lazy import load
from walras.equilibria.inverse.family import AbstractFamily
from walras.equilibria.registration import OBSERVED, answer

FAMILIES = {
    "InverseBertrand": "matrix.inverse_bertrand",
    "InverseCournot": "electricity.inverse_cournot",
    "InverseFirstPrice": "auctions.inverse_auctions",
    "InverseFisher": "allocation.inverse_fisher",
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
    if isinstance(given, AbstractFamily):
        return given
    if isinstance(given, str):
        require_known(given, "game_family", FAMILIES)
        return load(f"walras.equilibria.{FAMILIES[given]}:{given}")()
    check_game(given)
    found = answer(OBSERVED, given)
    if found is None:
        known = ", ".join(sorted(OBSERVED))
        raise TypeError(f"`game_family` must be a family, or a game of {known}; got {type(given).__name__}.")
    return found(given)
