r"""Equilibria of finite Markov games.

*Zero-sum, discounted.* Shapley's operator, the value of the stage game in each state, is a contraction; a few rounds of
it start the iteration of Hoffman and Karp: the first player's optimal strategies of the stages, the second's best
response to them, and its values again [1]_, [2]_.

*With a horizon.* Backward induction: an equilibrium of each stage game, given what follows. This holds for zero-sum and
Nash equilibria (Markov perfect) and for devices, correlated or coarse correlated. The welfare of a device is then
largest **stagewise**: a device of the whole game could do better by punishments in what follows.

*Several players, discounted.* Nash equilibria of the stages are iterated. That need not converge, so the answer is
returned only if best responses certify it.

Each residual is the largest gain of a best response in any state and step, as a share of the player's `scale`.

References
----------
[1] L. S. Shapley, Stochastic games, Proceedings of the National Academy of Sciences 39, 1953.
[2] A. J. Hoffman, R. M. Karp, On nonterminating stochastic games, Management Science 12, 1966.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from walras.core.checks import require
from walras.core.concept import Concept
from walras.core.solution import Certified, Status, checked
from walras.core.typing import Floats
from walras.equilibria.matrix.markov_response import MarkovResponses, best_response
from walras.equilibria.normal_form.correlated import CONCEPTS, correlated
from walras.equilibria.normal_form.nash import nash
from walras.equilibria.normal_form.zero_sum import zero_sum
from walras.markets.matrix.markov_game import MarkovGame
from walras.markets.normal_form import MatrixGame, MatrixGames, Mixed

Stages: TypeAlias = Callable[[MarkovGame, Floats], tuple[list[Floats], Floats]]
"""From what the future is worth, ``[N, S]``, to strategies, N arrays ``[S, A_i]``, and values ``[N, S]``."""
TOL = 1e-9
"""Largest gain of a certified answer, as a share of the player's `scale`."""
ROUNDS = 500
"""Rounds over all states, at most."""
SWEEPS = 5
"""Rounds of Shapley's operator before the iteration of Hoffman and Karp."""


@dataclass(frozen=True, kw_only=True)
class MarkovSolution(Certified):
    """An equilibrium in Markov policies; T is the horizon, or 1 without one."""

    policies: Floats  # [N, T, S, A] chances of actions
    value: Floats  # [N, T, S]


@dataclass(frozen=True, kw_only=True)
class MarkovDevice(Certified):
    """A device that draws a joint action in each state and step."""

    joint: Floats  # [T, S, A_1, .., A_N]
    value: Floats  # [N, T, S]
    concept: Concept


def scale(game: MarkovGame) -> Floats:
    """Return what each player's values are measured by, ``[N]``: the spread of its rewards times the steps that count.

    Rewards that are constant count as if they had a spread of 1.
    """
    wide = np.ptp(game.reward.reshape(game.players, -1), axis=1)
    return np.where(wide > 0, wide, 1.0) * (game.horizon if game.horizon is not None else 1 / (1 - game.discount))


def markov_zero_sum(game: MarkovGame, *, throw: bool = True) -> MarkovSolution:
    """Return optimal policies of two players with opposite rewards.

    Raises
    ------
    ValueError
        If there are not two players, or rewards do not sum to zero.
    SolverError
        If the answer is not certified and `throw` is true.
    """
    require(game.players == 2, "game", "have two players", game.players)
    apart = float(np.abs(game.reward.sum(axis=0)).max())
    require(apart <= 1e-12 * float(np.abs(game.reward).max()), "game", "have rewards that sum to zero", apart)
    if game.horizon is not None:
        return checked(_perfect(game, _minimax), throw)
    value = np.zeros((2, game.states))
    for _ in range(SWEEPS):
        found = zero_sum(MatrixGames(game.stages(value)))
        value = np.stack([found.value, -found.value])
    rounds, policies = 0, np.empty(0)
    while rounds < ROUNDS:
        rounds += 1
        found = zero_sum(MatrixGames(game.stages(value)))
        policies = _table(game, [found.x, found.y])[:, None]
        responses = best_response(game, policies[None])
        if _share(game, responses) <= TOL / 10:
            break
        value = np.stack([-responses.best[0, 1, 0], responses.best[0, 1, 0]])
    return checked(_judged(game, policies, rounds), throw)


def markov_perfect(game: MarkovGame, *, throw: bool = True) -> MarkovSolution:
    """Return a Nash equilibrium in Markov policies of every subgame.

    Raises
    ------
    SolverError
        If a stage is not solved, or the answer is not certified and `throw` is true.
    """
    if game.horizon is not None:
        return checked(_perfect(game, _stage_nash), throw)
    value = np.zeros((game.players, game.states))
    best: MarkovSolution | None = None
    for rounds in range(1, ROUNDS + 1):
        mixed, worth = _stage_nash(game, value)
        moved = (np.abs(worth - value).max(axis=1) / scale(game)).max()
        settled = moved <= TOL * (1 - game.discount) / 10
        value = worth
        if settled or rounds % 50 == 0:
            found = _judged(game, _table(game, mixed)[:, None], rounds)
            best = found if best is None or found.residual < best.residual else best
            if found.converged or settled:
                break
    assert best is not None
    return checked(best, throw)


def markov_correlated(
    game: MarkovGame, concept: Concept | str = "cce", objective: str | ArrayLike = "welfare"
) -> MarkovDevice:
    """Return a device of each stage by backward induction, best by an objective **stagewise**.

    Parameters
    ----------
    game : MarkovGame
        With a horizon.
    concept, objective
        As in `walras.equilibria.correlated`.

    Raises
    ------
    ValueError
        If the game has no horizon, or an argument is unknown.
    SolverError
        If a stage does not pass its check.
    """
    if game.horizon is None:
        raise ValueError("`game` must have a horizon for backward induction; got none.")
    joint = np.zeros((game.horizon, game.states, *game.sizes))
    value = np.zeros((game.players, game.horizon + 1, game.states))
    residual = 0.0
    for t in reversed(range(game.horizon)):
        for s, payoff in enumerate(game.stages(value[:, t + 1])):
            device = correlated(MatrixGame(payoff), concept, objective)
            joint[t, s], value[:, t, s] = device.joint, device.payoffs
            residual = max(residual, device.residual)
    return MarkovDevice(
        joint=joint,
        value=value[:, :-1],
        concept=CONCEPTS[str(concept)],
        residual=residual,
        iterations=game.horizon,
        status=Status.CONVERGED,
    )


def _perfect(game: MarkovGame, stage: Stages) -> MarkovSolution:
    """Return equilibria of the stages, from the last step back."""
    assert game.horizon is not None
    policies = np.zeros((game.players, game.horizon, game.states, max(game.sizes)))
    value = np.zeros((game.players, game.states))
    for t in reversed(range(game.horizon)):
        mixed, value = stage(game, value)
        policies[:, t] = _table(game, mixed)
    return _judged(game, policies, game.horizon)


def _minimax(game: MarkovGame, value: Floats) -> tuple[list[Floats], Floats]:
    found = zero_sum(MatrixGames(game.stages(value)))
    return [found.x, found.y], np.stack([found.value, -found.value])


def _stage_nash(game: MarkovGame, value: Floats) -> tuple[list[Floats], Floats]:
    """Return a Nash equilibrium of each stage, N arrays ``[S, A_i]``, and its values ``[N, S]``."""
    found = [nash(MatrixGame(payoff)) for payoff in game.stages(value)]
    mixed: list[Mixed] = [each.mixed for each in found]
    return [np.stack(own) for own in zip(*mixed, strict=True)], np.stack([each.value for each in found], axis=1)


def _table(game: MarkovGame, mixed: list[Floats]) -> Floats:
    """Return N arrays ``[S, A_i]`` as one, ``[N, S, A]``."""
    table = np.zeros((game.players, game.states, max(game.sizes)))
    for i, own in enumerate(mixed):
        table[i, :, : own.shape[1]] = own
    return table


def _share(game: MarkovGame, responses: MarkovResponses) -> float:
    """Return the largest gain of a player in any state and step, as a share of its scale."""
    return float((responses.subgame_gap[0] / scale(game)).max())


def _judged(game: MarkovGame, policies: Floats, iterations: int) -> MarkovSolution:
    """Return policies ``[N, T, S, A]`` with what best responses gain."""
    responses = best_response(game, policies[None])
    residual = _share(game, responses)
    return MarkovSolution(
        policies=policies,
        value=responses.value[0],
        residual=residual,
        iterations=iterations,
        status=Status.CONVERGED if residual <= TOL else Status.BOUNDS_APART,
    )
