"""The gap of teams: exact for policies that declare their gains and keep to them, else between play and a regulator.

A player is a whole team. Above stands what no deviation exceeds whatever the others do
(`walras.equilibria.teams.affine.upper_bound`); against a declared affine policy the best response is known.
"""

import numpy as np

from walras.core.policy import Affine, Policy
from walras.core.typing import Floats
from walras.equilibria.audit import Audit, Ends, certificate, declared, judged_policy
from walras.equilibria.certificate import Gap, Kind
from walras.equilibria.intervals import interval
from walras.equilibria.teams import affine
from walras.equilibria.teams.audit import affine_deviations, check_declaration
from walras.equilibria.teams.team_mean_field import TeamGame, as_teams


def team_gap(game: TeamGame, policy: Policy, audit: Audit) -> Gap:
    """Return what each team gains by its best response, in units of cost an episode."""
    judged = judged_policy(game, policy, audit.device)
    law = affine.declared(game, declared(judged))
    broken = check_declaration(game, judged, law, audit.seeds) if law is not None else None
    if law is not None and broken is None:
        return _exact(game, judged, audit, law)
    found = affine_deviations(game, judged, audit.seeds, episodes=audit.budget.episodes)
    below, value = interval(found.difference, audit.confidence), interval(found.total, audit.confidence)
    above = affine.upper_bound(game) - value.low
    why = "nothing is declared" if broken is None else f"the declaration is not kept ({broken})"
    return certificate(
        game,
        judged,
        audit,
        Ends(below.low, above, below.mean),
        value.mean,
        Kind.STATISTICAL if np.isfinite(above).all() else Kind.LOWER,
        f"response to an affine fit, in play; {why}",
        players=_players(game),
        deviation=found.deviation,
    )


def _exact(game: TeamGame, policy: Policy, audit: Audit, law: Affine) -> Gap:
    gain, value = affine.exact_gap(game, law)
    answers, bounded = affine.best_responses(game, law), bool(np.isfinite(gain).all())
    attained = gain if bounded else np.where(np.isfinite(gain), gain, _attained(game, law, answers) - value)
    return certificate(
        game,
        policy,
        audit,
        Ends(attained, gain, attained),
        value,
        Kind.EXACT if bounded else Kind.BOUNDS,
        "best response to the declared gains",
        players=_players(game),
        deviation=answers,
    )


def _attained(game: TeamGame, law: Affine, answers: affine.AffineControls) -> Floats:
    """Return what each agent earns, ``[N]``, if its team answers alone; where no answer is best, some answer."""
    declared_law, earned = affine.controls(game, law), np.empty(len(game.agents))
    for team in range(as_teams(game).teams):
        laws = [answers if k == team else declared_law for k in range(as_teams(game).teams)]
        own = affine.members(game, team)
        earned[own] = affine.exact_gap(game, affine.one_each(game, laws))[1][own]
    return earned


def _players(game: TeamGame) -> tuple[tuple[int, ...], ...]:
    """Return the agents of each team."""
    members = [affine.members(game, team) for team in range(as_teams(game).teams)]
    return tuple(tuple(np.flatnonzero(own).tolist()) for own in members)


def team_stake(game: TeamGame) -> Floats:
    """Return what is at stake for each agent's team."""
    return affine.stakes(game)
