"""Markov games to invert: planted rewards are in the set, exactly and from samples, and regret takes another road."""

import itertools

import numpy as np
import pandas as pd
import pytest

import walras
from walras.core import rollout
from walras.core.solution import Status
from walras.core.typing import Floats, Ints
from walras.envs import TabularMarkovGame
from walras.equilibria import InverseMarkov, MarkovPlay, MarkovPolicy, markov_perfect
from walras.equilibria.inverse import (
    Extragradient,
    GradientDescentAscent,
    MaxOracle,
    Sample,
    StochasticDescentAscent,
    fit,
    play_table,
)
from walras.equilibria.inverse.descent import AbstractDescent
from walras.markets.matrix import MarkovGame


def drawn(rng: np.random.Generator, horizon: int | None = None, sizes: tuple[int, ...] = (2, 2)) -> MarkovGame:
    """A game of two players and three states, rewards in [0, 1]."""
    states = 3
    chances = rng.dirichlet(np.ones(states), (states, *sizes))
    discount = 0.7 if horizon is None else 1.0
    return MarkovGame(rng.random((2, states, *sizes)), chances, np.ones(states) / states, horizon, discount)


def solved(rng: np.random.Generator, horizon: int | None, count: int) -> list[tuple[MarkovGame, Floats]]:
    """Games with their equilibria, `count` of them."""
    games = (drawn(rng, horizon) for _ in itertools.count())
    found = ((game, markov_perfect(game, throw=False)) for game in games)
    return list(itertools.islice(((game, each.policies) for game, each in found if each.converged), count))


def shares(rng: np.random.Generator, policies: Floats, visits: Ints) -> MarkovPlay:
    """Draws of policies ``[N, T, S, A]``."""
    exact = MarkovPlay.of(policies).policy
    count = np.stack([rng.multinomial(n, own) for n, own in zip(visits, exact, strict=True)])
    return MarkovPlay(count / visits[:, None, None], visits)


@pytest.mark.parametrize("horizon", [None, 3])
def test_planted_rewards_are_in_the_set(horizon: int | None) -> None:
    for game, policies in solved(np.random.default_rng(0), horizon, 3):
        found = fit(InverseMarkov(game), MarkovPlay.of(policies))
        assert found.set is not None
        assert found.set.contains(game.reward.ravel(), 1e-7)
        assert found.residual < 1e-6
        assert set(found.unidentified) == set(found.names)  # constant rewards rationalise everything


@pytest.mark.parametrize("horizon", [None, 3])
def test_conditions_hold_where_no_policy_gains_and_nowhere_else(horizon: int | None) -> None:
    """One-step advantages against best responses of whole games."""
    rng, agreed = np.random.default_rng(1), 0
    for game, policies in solved(rng, horizon, 2):
        family, play = InverseMarkov(game), MarkovPlay.of(policies)
        allowed = family.conditions(play)
        for theta in [*(allowed.support(rng.normal(size=len(allowed.low))) for _ in range(3)), *rng.random((3, 24))]:
            gains = family.regrets(play, theta).gain.max() > 1e-6
            assert gains != allowed.contains(theta, 1e-6)
            agreed += 1
    assert agreed == 12


@pytest.mark.parametrize("horizon", [None, 3])
def test_slopes_of_regret_are_those_of_differences(horizon: int | None) -> None:
    rng = np.random.default_rng(2)
    game = drawn(rng, horizon, (2, 3))
    family, theta = InverseMarkov(game), rng.random(36)
    policy = rng.dirichlet(np.ones(2), (2, horizon or 1, 3))
    play = MarkovPlay.of(np.concatenate([policy, np.zeros((*policy.shape[:-1], 1))], axis=-1))
    found, step = family.regrets(play, theta), 1e-6
    assert found.gain.min() >= 0
    assert found.gain.max() > 0.1
    for k in range(0, 36, 5):
        ends = [family.regrets(play, theta + sign * step * np.eye(36)[k]).gain for sign in (1, -1)]
        assert found.slope[..., k] == pytest.approx((ends[0] - ends[1]) / (2 * step), abs=1e-6)


def pennies() -> tuple[InverseMarkov, Floats, float]:
    """Matching pennies in two states that alternate; in the first one, heads pay the first player theta."""
    base = np.broadcast_to(np.array([[[0.0, -1], [-1, 1]], [[-1, 1], [1, -1]]])[:, None], (2, 2, 2, 2)).copy()
    base[0, 1, 0, 0] = 1.0
    basis = np.zeros((1, 2, 2, 2, 2))
    basis[0, 0, 0, 0, 0] = 1.0
    chances = np.zeros((2, 2, 2, 2))
    chances[0, ..., 1] = chances[1, ..., 0] = 1.0
    family = InverseMarkov(MarkovGame(base, chances, [1, 0], discount=0.5), base, basis, 0.0, 10.0)
    theta = 3.0
    column = 2 / (theta + 3)
    policies = np.array([[[0.5, 0.5], [0.5, 0.5]], [[column, 1 - column], [0.5, 0.5]]])[:, None]
    return family, policies, theta


def test_a_mixed_equilibrium_identifies_a_parameter() -> None:
    family, policies, theta = pennies()
    found = fit(family, MarkovPlay.of(policies))
    assert found.parameters == pytest.approx([theta], abs=1e-6)
    assert found.unidentified == ()
    assert found.certificate == "exact"


def test_samples_leave_an_interval_that_holds_it_and_narrows() -> None:
    (family, policies, theta), rng = pennies(), np.random.default_rng(3)
    wide = []
    for visits in (1_000, 100_000):
        found = fit(family, shares(rng, policies, np.array([visits, visits])), Sample())
        assert found.set is not None
        assert found.set.contains(np.array([theta]))
        assert found.confidence == 0.95
        assert abs(found.parameters[0] - theta) < 40 / visits**0.5
        wide.append(float(np.ptp(found.interval)))
    assert wide[1] < wide[0] < 10


def test_sampled_sets_hold_the_planted_rewards_where_exact_conditions_do_not() -> None:
    rng = np.random.default_rng(4)
    inside = exact = 0
    for game, policies in solved(rng, None, 3):
        family = InverseMarkov(game)
        for _ in range(12):
            play = shares(rng, policies, np.full(3, 500))
            theta = game.reward.ravel()
            inside += family.confidence_set(play, 0.95).contains(theta, 0.0)
            exact += family.conditions(play).contains(theta)
    assert inside >= 34
    assert exact < 34


def test_policies_that_nothing_rationalises_have_their_least_regret() -> None:
    """The second player keeps the first penny, the first one the other: with theta at least 0 nobody likes that."""
    family, _, _ = pennies()
    pure = np.array([[[0.0, 1.0], [1.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]]])[:, None]
    found = fit(family, MarkovPlay.of(pure))
    assert found.status is Status.NOT_RATIONALISED
    assert found.set is None
    assert 0 < found.lower == pytest.approx(found.residual)
    assert found.parameters == pytest.approx([0.0], abs=1e-9)


def test_tables_of_play_are_read_and_audited() -> None:
    family, policies, theta = pennies()
    game = TabularMarkovGame(family.game(np.array([theta])), horizon=400, discount=0.5)
    table = play_table(game, rollout(game, MarkovPolicy(game, policies), list(range(50))))
    play = family.read(table)
    assert play.visits is not None
    assert play.visits.tolist() == [10_000, 10_000]
    assert play.policy[0, 1] == pytest.approx(policies[1, 0, 0], abs=0.02)
    found = walras.audit(game, table)
    policy = MarkovPolicy(game, np.moveaxis(play.policy.reshape(1, 2, 2, 2), 2, 0))
    assert found.regret is not None
    assert found.regret.max(axis=0) == pytest.approx(walras.gap(game, policy, concept="subgame perfect").upper)


def test_a_game_with_a_horizon_asks_for_the_step() -> None:
    game = drawn(np.random.default_rng(5), 2)
    shell = TabularMarkovGame(game, horizon=2)
    policy = MarkovPolicy(shell, np.full((2, 2, 3, 2), 0.5))
    table = play_table(shell, rollout(shell, policy, list(range(200))))
    found = fit(shell, table, Sample())
    assert found.set is not None
    with pytest.raises(ValueError, match="`step` must be a column; it is missing"):
        fit(shell, table.drop(columns="step"))


def test_gradients_of_the_objective_are_those_of_differences_and_samples_are_unbiased() -> None:
    rng = np.random.default_rng(7)
    game = drawn(rng, None, (2, 3))
    family = InverseMarkov(game)
    policy = np.zeros((2, 1, 3, 3))
    policy[0, ..., :2], policy[1] = rng.dirichlet(np.ones(2), (1, 3)), rng.dirichlet(np.ones(3), (1, 3))
    objective = family.objective(MarkovPlay.of(policy))
    theta = rng.random((1, 36))
    deviation = objective.project_deviation(rng.random((1, 15)))
    assert objective.project_deviation(deviation) == pytest.approx(deviation)
    found, step = objective.psi(theta, deviation), 1e-6
    for k in range(15):
        ends = [objective.psi(theta, deviation + sign * step * np.eye(15)[k]).value for sign in (1, -1)]
        assert found.deviation[0, k] == pytest.approx((ends[0] - ends[1])[0] / (2 * step), abs=1e-6)
    for k in range(0, 36, 5):
        ends = [objective.psi(theta + sign * step * np.eye(36)[k], deviation).value for sign in (1, -1)]
        assert found.theta[0, k] == pytest.approx((ends[0] - ends[1])[0] / (2 * step), abs=1e-6)
    samples = [objective.psi(theta, deviation, np.array([seed])) for seed in range(1500)]
    for name in ("theta", "deviation"):
        each = np.array([getattr(sample, name)[0] for sample in samples])
        error = each.std(axis=0) / len(each) ** 0.5
        assert (np.abs(each.mean(axis=0) - getattr(found, name)[0]) <= 5 * error + 1e-12).all()


def test_the_best_deviation_of_the_objective_has_the_regret_of_the_certificate() -> None:
    family, policies, _ = pennies()
    play, theta = MarkovPlay.of(policies), np.array([[5.0]])
    objective = family.objective(play)
    regret = family.weights(play) @ family.regrets(play, theta[0]).gain.sum(axis=1)
    assert objective.psi(theta, objective.answer(theta)).value[0] == pytest.approx(regret)


@pytest.mark.parametrize(
    ("method", "within"),
    [
        (GradientDescentAscent(1000, 0.3, 0.3, "plain"), 0.3),
        (Extragradient(600, 0.5, 0.5), 0.05),
        (MaxOracle(400, 0.2, vanishing=True), 0.1),
        (StochasticDescentAscent(accuracy=0.7, steps=2000, scale=0.5), 1.0),
    ],
)
def test_first_order_methods_find_a_reward(method: AbstractDescent, within: float) -> None:
    family, policies, theta = pennies()
    found = fit(family, MarkovPlay.of(policies), method, seed=1)
    assert found.parameters == pytest.approx([theta], abs=within)
    assert found.set is not None
    with pytest.raises(ValueError, match="`game_family` must have no horizon, for first-order methods"):
        InverseMarkov(drawn(np.random.default_rng(0), 2)).objective(MarkovPlay.of(policies))


@pytest.mark.parametrize(
    ("column", "value", "error"),
    [
        ("state", 3, r"`state` must be whole numbers from 0 below 3; got 3"),
        ("action", 2, r"`action` must be whole numbers from 0"),
        ("action", 0.5, r"`action` must be whole numbers from 0"),
    ],
)
def test_tables_that_do_not_fit_are_refused(column: str, value: float, error: str) -> None:
    family = InverseMarkov(drawn(np.random.default_rng(6)))
    table = pd.DataFrame(
        {"period": [0, 0, 1, 1], "agent": ["player_0", "player_1"] * 2, "state": 0, "action": [0, 1, 1, 0]}
    ).astype({column: float})
    table.loc[0 if column == "action" else [0, 1], column] = value
    with pytest.raises(ValueError, match=error):
        fit(family, table)


def test_play_that_does_not_fit_is_refused() -> None:
    family, policies, _ = pennies()
    with pytest.raises(ValueError, match=r"`policy` must have shape \(2, 2, 2\); got \(4, 2, 2\)"):
        fit(family, MarkovPlay.of(np.repeat(policies, 2, axis=1)))
    with pytest.raises(ValueError, match=r"`policies` must sum to 1"):
        fit(family, MarkovPlay.of(policies / 2))
    unseen = MarkovPlay(MarkovPlay.of(policies).policy, np.array([5, 0]))
    with pytest.raises(ValueError, match=r"`state` must be seen in each step, for exact conditions"):
        fit(family, unseen)
    assert fit(family, unseen, Sample()).unidentified == ("theta_0",)
    with pytest.raises(ValueError, match=r"`visits` must count the draws, for a confidence set"):
        fit(family, MarkovPlay.of(policies), Sample())
    with pytest.raises(ValueError, match=r"`basis` must have shape"):
        InverseMarkov(family.markov, None, np.zeros((1, 2, 2)))
