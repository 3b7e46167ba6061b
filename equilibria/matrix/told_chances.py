"""What policies say that they do, as chances of each action: declared, even, or read off where nothing is drawn."""

from typing import Any

import numpy as np

from walras.core.game import AbstractGame
from walras.core.policy import Mixed, Policy, Random, Timed
from walras.core.typing import Floats
from walras.equilibria.audit import Audit, broken, copied, declared, draws_nothing, memoryless, same_rows


def chances_at(game: AbstractGame[Any], policy: Policy, seen: Floats, audit: Audit) -> Floats | None:
    """Return the chances of each action, ``[X, N, A]``, where agents see ``seen [X, N, O]``, or none if not known.

    They are known of policies that answer what they observe and declare their law (`walras.core.policy.Mixed`), or draw
    nothing and answer alike in another order of rows, and a row alone; in play, and where agents stray from it.
    """
    own, actions = declared(policy), int(game.action_space.n)  # type: ignore[attr-defined] - a Discrete
    if isinstance(own, Random):
        return np.full((*seen.shape[:2], actions), 1 / actions)
    if isinstance(own, Timed) or not all(memoryless(game, policy, audit.seeds, strays) for strays in (False, True)):
        return None
    if isinstance(own, Mixed):
        if broken(game, policy, seen, audit.rng(4)) is not None:
            return None
        weights, chosen = own.mixture(seen)  # of actions that may repeat
        return np.einsum("xnj,xnja->xna", weights, (chosen[..., None] == np.arange(actions)).astype(np.float64))
    if not draws_nothing(copied(policy), seen):
        return None
    action = policy.act(seen, audit.rng(1))
    return np.eye(actions)[action] if same_rows(copied(policy), seen, action) else None


def of_existing(chances: Floats, sizes: tuple[int, ...]) -> Floats:
    """Return ``chances [N, .., A]`` with those of actions that a player does not have given to its last one."""
    table = chances.copy()
    for own, size in zip(table, sizes, strict=True):
        own[..., size - 1] += own[..., size:].sum(axis=-1)
        own[..., size:] = 0.0
    return table


def required(table: Floats | None, policy: Policy) -> Floats:
    """Return a policy's table.

    Raises
    ------
    ValueError
        If it is not known.
    """
    if table is None:
        rule = "be memoryless and declare its law, or draw nothing, for its answers to all pasts to be known"
        raise ValueError(f"`policy` must {rule}; got {type(declared(policy)).__name__}.")
    return table
