r"""Stakes: what a gap is measured by, a constant of the game that no policy moves.

What agent i has at stake is the value of the reference solution, less its value there when i alone is idle (sells
nothing, does not control, stays). The scale is that, but at least a tenth of the mean stake, so that it is positive
where an agent has next to nothing at stake; where nobody has anything at stake, or no solution exists to refer to, it
is 1, and shares are absolute.
"""

from functools import singledispatch
from typing import Any

import numpy as np

from walras.core.game import AbstractGame
from walras.core.identity import fingerprint
from walras.core.policy import Random
from walras.core.rollout import rollout
from walras.core.solution import SolverError
from walras.core.typing import Floats
from walras.equilibria.registration import STAKES, answer

SEEDS = range(256)
"""Episodes over which stakes are averaged where they depend on chance."""
_KEPT: dict[str, Floats] = {}  # scales of games, by their fingerprints


def stakes(game: AbstractGame[Any]) -> Floats:
    """Return the scale of each agent's gap, ``[N]``, an episode."""
    key = fingerprint(game)
    if key not in _KEPT:
        try:
            each = stake(game)
        except SolverError:  # there is no reference solution
            each = np.zeros(len(game.agents))
        _KEPT[key] = _scale(each)
    return _KEPT[key].copy()


@singledispatch
def stake(game: AbstractGame[Any]) -> Floats:
    """Return what each agent has at stake, ``[N]``; of games without an answer, the size of rewards under random play.

    A game of your own joins by ``stake.register``.
    """
    own = answer(STAKES, game)
    if own is not None:
        return own(game)
    played = rollout(game, Random(game), SEEDS[:32])
    return np.abs(played.reward).max(axis=(0, 1)) * game.horizon


def _scale(each: Floats) -> Floats:
    floor = float(np.mean(each)) / 10
    return np.maximum(each, floor) if floor > 0 else np.ones_like(each)
