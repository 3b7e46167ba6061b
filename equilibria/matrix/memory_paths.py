"""Where play goes under policies with memory: cycles, and the answer to a deviation.

A pure profile makes a chain of the remembered pasts, which ends in a cycle. `impulse_response` forces one firm, for one
period, off that cycle; what the others do then is what was learned as a punishment, if anything was.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from walras.core.checks import require, require_whole
from walras.core.typing import Bools, Floats, Ints
from walras.envs.matrix.repeated_pricing import RepeatedPricing
from walras.equilibria.matrix.memory_policies import ROUNDING, MemoryResponses, memory_best_response, memory_game


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
    action: Ints  # [B, T + 1, N] prices, by their numbers; period 0 is the last on the cycle, 1 the deviation
    price: Floats  # [B, T + 1, N] the same in money
    share: Floats  # [B] what the deviation gains in all, as a share of the value of keeping to the cycle
    returned: Bools  # [B] whether play comes back to the cycle


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
    return Impulse(firm, action, price_of(game, action), gain / value, _returns(game, policies, found, after))


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
