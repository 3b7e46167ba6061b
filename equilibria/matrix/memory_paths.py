"""Where play goes under policies with memory: cycles, and the answer to a deviation.

A pure profile makes a chain of the remembered pasts, which ends in a cycle. `impulse_response` forces one firm, for one
period, off that cycle; what the others do then is what was learned as a punishment, if anything was. Of a profile that
draws, or a game whose start does, `expected_impulse` tells the same in expectation.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from walras.core.checks import require, require_whole
from walras.core.typing import Bools, Floats, Ints
from walras.envs.matrix.repeated_pricing import RepeatedPricing
from walras.equilibria.matrix.memory_policies import (
    ROUNDING,
    MemoryGame,
    MemoryResponses,
    joint_chances,
    memory_best_response,
    memory_game,
    mixed_path,
)


def cycle_of(chain: Ints, start: int) -> Ints:
    """Return the states of the cycle in which a ``chain [S]`` ends, in their order, the first as the chain meets it."""
    seen, s = dict[int, int](), start
    while s not in seen:
        seen[s] = len(seen)
        s = int(chain[s])
    return np.array(list(seen)[seen[s] :], dtype=np.int64)


@final
@dataclass(frozen=True, eq=False)
class Impulse:
    """What follows a forced deviation of one firm for one period, in B markets over T periods."""

    firm: int
    price: Floats  # [B, T + 1, N] money; period 0 is the one before the deviation, 1 that of the deviation
    share: Floats  # [B] what the deviation gains in all, as a share of the value of keeping to the policies
    returned: Bools  # [B] whether play ends where it ends without the deviation


def impulse_response(
    game: RepeatedPricing, policies: Ints, start: ArrayLike, firm: int = 0, periods: int = 15
) -> Impulse:
    """Return the prices after a firm was made to answer the others' prices as if there were one period alone.

    Parameters
    ----------
    game : RepeatedPricing
        The market.
    policies : array
        ``[B, N, S]`` prices, by their numbers.
    start : array_like
        ``[B]`` pasts on the cycles, by their numbers.
    firm : int
        Who deviates.
    periods : int
        T.

    Raises
    ------
    ValueError
        If the firm is unknown, there are no periods, or as `walras.equilibria.memory_best_response`.
    """
    require(firm in range(len(game.agents)), "firm", f"be 0 to {len(game.agents) - 1}", firm)
    require_whole(periods, "periods")
    found = memory_best_response(game, policies, start)
    rows, at = np.arange(len(policies)), found.start.argmax(axis=1)
    kept = policies[rows, :, at]
    forced = kept.copy()
    forced[:, firm] = _static_reply(game, kept, firm)
    known = memory_game(game)
    after = known.base[known.group[at]] + game.joint(forced)
    worth = game.profits.reshape(len(game.agents), -1)[firm, game.joint(forced)]
    value = found.value[rows, firm, at]
    gain = worth + game.discount * found.value[rows, firm, after] - value
    gain[np.abs(gain) <= ROUNDING * known.spread[firm]] = 0.0
    _, actions = play(game, policies, after, periods - 1)
    action = np.concatenate([game.state_of(at).last[:, :1], forced[:, None], actions], axis=1)
    return Impulse(firm, price_of(game, action), gain / value, _returns(game, policies, found, after))


def expected_impulse(game: RepeatedPricing, chances: Floats, firm: int = 0, periods: int = 15) -> Impulse:
    """Return what `impulse_response` does of one profile that may draw, from the game's start; B is 1.

    The firm answers what it expects of the others' prices in the first period, and prices are expectations, also over
    the first past where the game draws it. Play comes back if it ends in pasts in which it may end without the
    deviation as well.

    Parameters
    ----------
    game : RepeatedPricing
        The market.
    chances : array
        ``[N, S, A]`` of each price after each past.
    firm : int
        Who deviates.
    periods : int
        T.

    Raises
    ------
    ValueError
        If the firm is unknown, there are no periods, or as `walras.equilibria.memory_best_response`.
    """
    require(firm in range(len(game.agents)), "firm", f"be 0 to {len(game.agents) - 1}", firm)
    require_whole(periods, "periods")
    known, found = memory_game(game), memory_best_response(game, chances[None])
    law, usual = found.start[0], joint_chances(known, chances)
    forced = chances.copy()
    forced[firm] = np.eye(game.prices)[_expected_reply(known, chances, firm)]
    cut = joint_chances(known, forced)
    worth = known.payoff.reshape(len(game.agents), -1)[firm]
    laws, value = [law, _moved(known, cut, law)], found.value[0, firm]
    gain = law @ cut @ worth + game.discount * laws[1] @ value - law @ value
    gain = 0.0 if abs(gain) <= ROUNDING * known.spread[firm] + found.width[0, firm] else gain
    for _ in range(periods - 2):
        laws.append(_moved(known, usual, laws[-1]))
    before = law @ price_of(game, game.state_of(np.arange(game.states)).last[:, 0])
    tables = [forced, *[chances] * (periods - 1)]
    price = [before, *(_mean_price(game, table, at) for table, at in zip(tables, laws[:periods], strict=True))]
    back = _ends_alike(known, usual, found.path, mixed_path(known, chances[None], laws[1][None] > 0))
    return Impulse(firm, np.array([price]), np.array([gain / (law @ value)]), np.array([back]))


def response_path(
    game: RepeatedPricing, policies: Ints, found: MemoryResponses, firm: int, periods: int = 15
) -> Floats:
    """Return the prices ``[B, T, N]`` if a firm plays its best response from the start, the others their policies."""
    deviated = policies.copy()
    deviated[:, firm] = found.reply[:, firm]
    return price_of(game, play(game, deviated, found.start.argmax(axis=1), periods)[1])


def play(game: RepeatedPricing, policies: Ints, start: Ints, periods: int) -> tuple[Ints, Ints]:
    """Return the pasts ``[B, T + 1]`` and the actions ``[B, T, N]`` of play by ``policies [B, N, S]``."""
    rows, state, known = np.arange(len(policies)), np.asarray(start), memory_game(game)
    states, actions = [state], list[Ints]()
    for _ in range(periods):
        actions.append(policies[rows, :, state])
        state = known.base[known.group[state]] + game.joint(actions[-1])
        states.append(state)
    shape = (len(policies), periods, len(game.agents))
    return np.stack(states, axis=1), np.stack(actions, axis=1) if actions else np.empty(shape, dtype=np.int64)


def price_of(game: RepeatedPricing, action: Ints) -> Floats:
    """Return prices in money, ``[..., N]``, given their numbers."""
    return game.grid[np.arange(len(game.agents)), action]


def _static_reply(game: RepeatedPricing, action: Ints, firm: int) -> Ints:
    """Return the firm's best answers ``[B]`` to the others' prices in ``action [B, N]``, for one period."""
    tried = np.repeat(action[:, None], game.prices, axis=1)
    tried[:, :, firm] = np.arange(game.prices)
    return game.profits.reshape(len(game.agents), -1)[firm, game.joint(tried)].argmax(axis=1)


def _returns(game: RepeatedPricing, policies: Ints, found: MemoryResponses, state: Ints) -> Bools:
    """Return whether play from a state ends on the path of the start, which is a cycle."""
    chains = memory_game(game).chain(policies)
    ends = [cycle_of(chain, int(s))[0] for chain, s in zip(chains, state, strict=True)]
    return found.path[np.arange(len(policies)), ends]


def _expected_reply(game: MemoryGame, chances: Floats, firm: int) -> Ints:
    """Return the firm's best answers ``[S]`` to the others' law after each past, for one period."""
    return np.argmax(joint_chances(game, chances, without=firm) @ game.of_player(firm).u.T, axis=1)


def _moved(game: MemoryGame, joint: Floats, law: Floats) -> Floats:
    """Return the chances of pasts ``[S]`` a period later, under the chances ``joint [S, M]`` of joint prices."""
    groups = np.zeros((len(game.base), joint.shape[1]))
    np.add.at(groups, game.group, law[:, None] * joint)
    later = game.base[:, None] + np.arange(joint.shape[1])
    moved = np.zeros(len(law))
    np.add.at(moved, later, groups)
    return moved


def _mean_price(game: RepeatedPricing, chances: Floats, law: Floats) -> Floats:
    """Return expected prices ``[N]`` where pasts have the chances ``law [S]``."""
    return np.einsum("s,nsa,na->n", law, chances, game.grid)


def _ends_alike(game: MemoryGame, joint: Floats, usual: Bools, other: Bools) -> bool:
    """Return whether play from the pasts ``other [1, S]`` ends in pasts in which that from ``usual [1, S]`` may end."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    here, taken = np.nonzero(joint > 0)
    later = game.base[game.group[here]] + taken
    graph = csr_array((np.ones(len(here)), (here, later)), shape=(len(joint), len(joint)))
    _, part = connected_components(graph, connection="strong")
    closed = ~np.isin(part, part[here[part[here] != part[later]]])
    return bool(np.isin(part[other[0] & closed], part[usual[0] & closed]).all())
