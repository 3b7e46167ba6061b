from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from walras.core import Constant, Random, Scripted, Status, rollout
from walras.core.policy import pure
from walras.core.typing import Floats
from walras.envs import SequentialPublicGoods
from walras.equilibria import Budget, Kind, gap, replay, social_optimum, solve
from walras.equilibria.matrix.public_goods import BackwardInduction

THREAT = {"gamma": 0.0, "rho": 0.6, "threshold": 1.5}


@pytest.mark.parametrize(
    ("parameters", "contribution", "welfare"),
    [
        ({"n": 2, "rho": 1.0}, (0.6, 0.62), 0.9222),
        ({}, (0.72, 0.744, 0.7928), 2.87423392),
        ({"gamma": 0.0}, (0.5, 0.5, 0.5), 1.875),
        ({"n": 5, "gamma": 0.1, "rho": 2.0}, (0.58564, 0.590964, 0.6016604, 0.61782644, 0.639609084), 5.517414097),
        (THREAT, (0.2, 0.2, 0.2), 0.3),
        # the last mover's limit is rho / (n k) + sqrt(2 P / k); the second gives what is left, the first nothing
        (THREAT | {"penalty": 0.2}, (0, 1.3 - np.sqrt(0.4), 0.2 + np.sqrt(0.4)), None),
        (THREAT | {"penalty": 0.3}, (0, 1.3 - np.sqrt(0.6), 0.2 + np.sqrt(0.6)), None),
        (THREAT | {"penalty": 0.32}, (0, 0.5, 1), 0.275),
        (THREAT | {"penalty": 0.5}, (0, 0.5, 1), 0.275),
        ({"rho": 2.0, "low": 0.1}, (13 / 18, 17 / 18, 1), None),  # the followers' cap makes a kink, where leaders stop
        ({"rho": 2.1, "low": 0.1}, (0.55, 0.95, 1), None),
        ({"rho": 2.7}, (0.9, 1, 1), None),
        ({"rho": 3.0}, (1, 1, 1), None),  # rho / n is the marginal cost at the cap
        ({"rho": 2.7, "gamma": 0.0}, (0.9, 0.9, 0.9), None),
        ({"cost": "linear", "k": 0.4, "gamma": 0.0}, (1, 1, 1), None),  # all, if and only if rho / n exceeds k
        ({"cost": "linear", "k": 0.6, "gamma": 0.0}, (0, 0, 0), 0.0),
    ],
)
def test_contributions_are_the_known_ones(
    parameters: dict[str, Any], contribution: tuple[float, ...], welfare: float | None
) -> None:
    for observation in ("full", "sum"):
        game = SequentialPublicGoods(**parameters, observation=observation)
        found: Any = solve(game, "subgame perfect")
        np.testing.assert_allclose(found.contribution, contribution, rtol=0, atol=1e-9)
        assert found.converged
        assert welfare is None or found.welfare == pytest.approx(welfare, abs=1e-9)
        np.testing.assert_allclose(rollout(game, found.policy, [0]).total[0], found.value, rtol=0, atol=1e-12)


def drawn(rng: np.random.Generator) -> SequentialPublicGoods:
    """A game with caps, often a floor, a threshold that may bind, and either form of cost and bonus."""
    n = int(rng.integers(2, 5))
    return SequentialPublicGoods(
        n=n,
        k=rng.uniform(0.5, 2),
        gamma=rng.uniform(0, 0.4) * (rng.random() < 0.8),
        rho=rng.uniform(0.2, 4),
        penalty=rng.uniform(0, 1) * (rng.random() < 0.6),
        threshold=rng.uniform(0, n),
        low=rng.uniform(0, 0.3) * (rng.random() < 0.5),
        bonus=str(rng.choice(["product", "mean"])),
        cost=str(rng.choice(["quadratic", "quadratic", "linear"])),
    )


def test_nobody_gains_by_any_contribution_on_a_fine_grid_after_whatever_was_given() -> None:
    """The other road: what follows is played, and payoffs are written out."""
    rng = np.random.default_rng(0)
    for _ in range(60):
        game = drawn(rng)
        policy = BackwardInduction(game)
        for i in range(game.n):
            for before in (i * game.low, i * game.high, *rng.uniform(i * game.low, i * game.high, 6)):
                c = np.append(np.linspace(game.low, game.high, 1001), policy.move(i, np.array([before])))
                total = before + c
                for later in range(i + 1, game.n):
                    total = total + policy.move(later, total)
                joined = before if game.bonus == "product" else before / max(i, 1)
                cost = game.k * (c if game.cost == "linear" else c**2 / 2)
                worth = game.gamma * c * joined + game.rho / game.n * total - cost
                worth -= game.penalty * (total < game.threshold - 1e-12)
                assert worth[:-1].max() <= worth[-1] + 1e-10, game


def test_gaps_on_the_path_and_after_everything_tell_empty_threats_apart() -> None:
    game = SequentialPublicGoods()
    stubborn = Constant(np.array([[0.5], [0.6], [0.72]]))
    np.testing.assert_array_equal(gap(game, stubborn).upper, 0.0)
    after_all = gap(game, stubborn, concept="subgame perfect")
    assert after_all.kind is Kind.LOWER
    # the last mover gains (best - .72)^2 / 2, with best = .2 S + .5; most at S = 0
    np.testing.assert_allclose(after_all.lower, [0, 0.1**2 / 2, 0.22**2 / 2], atol=1e-9)
    np.testing.assert_array_equal(gap(game, BackwardInduction(game), concept="subgame perfect").upper, 0.0)


def best_by_grid(game: SequentialPublicGoods, given: Floats, i: int) -> float:
    tried = np.repeat(given[None], 20_001, axis=0)
    tried[:, i] = np.linspace(game.low, game.high, 20_001)
    return float(game.payoff(tried)[:, i].max() - game.payoff(given)[i])


def test_the_gap_of_fixed_contributions_is_that_of_a_fine_grid_and_is_attained() -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        game = drawn(rng)
        given = rng.uniform(game.low, game.high, game.n)
        found = gap(game, Constant(given[:, None]))
        assert found.kind is Kind.EXACT
        grid = np.array([best_by_grid(game, given, i) for i in range(game.n)])
        assert (found.lower >= grid - 1e-12).all()
        np.testing.assert_allclose(found.lower, grid, atol=2e-4 if game.penalty else 1e-7)
        np.testing.assert_allclose(replay(game, Constant(given[:, None]), found, range(2))[0], found.lower, atol=1e-9)


def test_what_draws_is_searched_between_bounds() -> None:
    game = SequentialPublicGoods()
    found = gap(game, Random(game), seeds=range(32), budget=Budget(frames=50_000))
    assert found.kind is Kind.LOWER
    assert (found.lower <= found.upper).all()
    assert np.isfinite(found.upper).all()
    with pytest.raises(
        ValueError, match="`policy` must draw nothing, where the gap is that of all subgames; got Random"
    ):
        gap(game, Random(game), concept="subgame perfect")
    assert gap(game, Scripted(game)).kind is Kind.EXACT


def test_unseen_contributions_are_the_simultaneous_equilibrium() -> None:
    game = SequentialPublicGoods(observation="none")
    found: Any = solve(game)
    np.testing.assert_allclose(found.contribution, [0.5, 0.6, 0.72], rtol=0, atol=1e-12)
    assert found.status is Status.CONVERGED
    assert found.contribution.sum() < 2.2568  # what is given where all is seen


def test_the_optimum_is_that_of_the_formula_and_no_other_gives_more() -> None:
    assert social_optimum(SequentialPublicGoods(high=5.0)) == pytest.approx((2.5, 5.625))
    assert social_optimum(SequentialPublicGoods(n=5, gamma=0.1, rho=2.0, high=5.0)) == pytest.approx((10 / 3, 50 / 3))
    game = SequentialPublicGoods(gamma=0.1, threshold=1.8, penalty=0.4, rho=0.3)
    each, welfare = social_optimum(game)
    tried = np.random.default_rng(2).uniform(0, 1, (200_000, 3))
    assert game.payoff(tried).sum(axis=1).max() <= welfare
    assert each == pytest.approx(0.6)
    assert social_optimum(SequentialPublicGoods(gamma=0.9)) == pytest.approx((1.0, 5.7))  # convex in the total
    with pytest.raises(ValueError, match="`bonus` must be product"):
        social_optimum(SequentialPublicGoods(bonus="mean"))


def test_no_contributions_on_a_grid_earn_more_than_the_joint_optimum() -> None:
    """The other road: all joint contributions on a grid, whose best is within the curvature of its step."""
    rng, step = np.random.default_rng(4), 0.05
    for _ in range(40):
        game = replace(drawn(rng), n=3)
        optimum = solve(game, "joint optimum")
        assert optimum.status is Status.CONVERGED
        one = np.linspace(game.low, game.high, round((game.high - game.low) / step) + 1)
        grid = np.stack(np.meshgrid(one, one, one, indexing="ij"), axis=-1).reshape(-1, 3)
        best = game.payoff(grid).sum(axis=1).max()
        assert best <= optimum.value.sum() + 1e-12
        # a grid point above the threshold lies within a step of the optimum in each coordinate
        slope = game.rho + 2 * game.gamma * 3 + game.k
        assert optimum.value.sum() - best <= 3 * slope * step


def test_in_the_joint_optimum_each_would_rather_give_less() -> None:
    game = SequentialPublicGoods(high=5.0)
    optimum = solve(game, "joint optimum")
    assert optimum.value.sum() == pytest.approx(5.625, abs=1e-9)
    assert (gap(game, optimum.policy).lower > 0.1).all()
    lacking = gap(game, solve(game, "subgame perfect").policy, concept="joint optimum")
    assert lacking.kind is Kind.EXACT
    assert lacking.lower.sum() == pytest.approx(5.625 - 2.87423392, abs=1e-9)
    drawn_at_random = gap(game, Random(game), concept="joint optimum", seeds=range(256))
    total = rollout(game, Random(game), range(4096)).total.sum(axis=1).mean()
    assert drawn_at_random.kind is Kind.STATISTICAL
    assert drawn_at_random.lower.sum() <= 5.625 - total <= drawn_at_random.upper.sum()


def test_faces_of_many_agents_are_not_tried() -> None:
    with pytest.raises(ValueError, match="`n` must be at most 8 where the bonus is of means"):
        solve(SequentialPublicGoods(n=9, bonus="mean"), "joint optimum")
    assert solve(SequentialPublicGoods(n=30, gamma=0.01), "joint optimum").converged


@dataclass(frozen=True)
class Linear:
    """A policy that nothing is known of but what it does: affine in what was given before."""

    game: SequentialPublicGoods
    base: float
    slope: float

    def act(self, observation: Floats, rng: np.random.Generator) -> Floats:
        return (self.base + self.slope * self.game.before(observation))[:, :, None]

    def mixture(self, observation: Floats) -> tuple[Floats, Floats]:
        return pure(self.act(observation, np.random.default_rng(0)))


@pytest.mark.parametrize("observation", ["full", "sum"])
def test_what_is_only_seen_to_act_is_tried_on_the_path_and_off_it(observation: str) -> None:
    game = SequentialPublicGoods(observation=observation)
    policy = Linear(game, 0.3, 0.2)
    found = gap(game, policy)
    assert found.kind is Kind.LOWER
    np.testing.assert_allclose(found.value, game.payoff(np.array([0.3, 0.36, 0.432])), atol=1e-12)
    # by hand: the first mover's unit moves all by 1.2^2, the last mover's only itself; gains are (best - given)^2 / 2
    best = np.array([0.5 * 1.44, 0.2 * 0.3 + 0.5 * 1.2, 0.2 * 0.66 + 0.5])
    np.testing.assert_allclose(found.lower, (best - [0.3, 0.36, 0.432]) ** 2 / 2, atol=1e-6)
    np.testing.assert_allclose(replay(game, policy, found, [0])[0], found.lower, atol=1e-12)
    after_all = gap(game, policy, concept="subgame perfect")
    # an agent that found S before gives .3 + .2 S where .2 S + .5 g^(n - i) is best
    np.testing.assert_allclose(after_all.lower, (np.array([0.72, 0.6, 0.5]) - 0.3) ** 2 / 2, atol=1e-3)
    assert (after_all.lower <= after_all.upper).all()


def test_beliefs_are_not_solved_for() -> None:
    with pytest.raises(ValueError, match="`observation` must be full or sum, for subgames to begin; got 'partial'"):
        solve(SequentialPublicGoods(observation="partial"))


def test_a_scale_of_all_payoffs_changes_no_contribution() -> None:
    game = SequentialPublicGoods(rho=2.0, low=0.1)
    for factor in (1e-3, 1e3):
        scaled = replace(game, k=factor * game.k, gamma=factor * game.gamma, rho=factor * game.rho)
        found: Any = solve(scaled, "subgame perfect")
        np.testing.assert_allclose(found.contribution, [13 / 18, 17 / 18, 1], atol=1e-9)
