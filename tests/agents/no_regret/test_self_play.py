import numpy as np
import pytest

from walras.agents.no_regret.play import mean_joint, play, strategies
from walras.agents.no_regret.rules import FictitiousPlay, Hedge, PredictiveRMPlus, RMPlus, SwapHedge
from walras.agents.no_regret.self_play import NoRegret, train
from walras.agents.no_regret.stages import stages_of
from walras.core.policy import Random
from walras.envs import CournotMarket, RepeatedMatrixGame, RepeatedPricing, TabularMarkovGame
from walras.envs.matrix.tabular_markov_game import big_match
from walras.equilibria import gap, pure_nash, solve
from walras.markets.matrix import MarkovGame, MatrixGame
from walras.markets.matrix.named_games import prisoners_dilemma, shapley
from walras.markets.matrix.random_games import normal, zero_sum


class TestRepeatedGames:
    @pytest.mark.parametrize("alternate", [True, False])
    def test_it_is_play_of_the_stage_game_whatever_the_unit(self, alternate: bool) -> None:
        game = normal(np.random.default_rng(0), 1, (3, 2, 4))[0]
        wide = np.ptp(game.payoff.reshape(3, -1), axis=1).reshape(3, 1, 1, 1)
        known = play(MatrixGame(game.payoff / wide), Hedge(0.3), 120, alternate=alternate, average="linear")
        for unit in (1.0, 1e6):
            repeated = RepeatedMatrixGame(MatrixGame(unit * game.payoff), memory=1)
            learned = train(repeated, rule=Hedge(0.3), steps=120, average="linear", alternate=alternate, checkpoints=3)
            for own, other in zip(learned.running.averages(), known.average, strict=True):
                np.testing.assert_allclose(own, other, atol=1e-12)
            told = learned.diagnostics["regret"][-1] / unit / wide[:, 0, 0, 0]
            np.testing.assert_allclose(told, known.regret[0] / 120, atol=1e-12)

    def test_regrets_are_gaps_of_the_mean_joint_play(self) -> None:
        game, T = normal(np.random.default_rng(1), 1, (3, 4))[0], 200
        wide = np.ptp(game.payoff.reshape(2, -1), axis=1).reshape(2, 1, 1)
        joint = mean_joint(strategies(MatrixGame(game.payoff / wide), SwapHedge(0.3), T))[0]
        learned = train(RepeatedMatrixGame(game), rule=SwapHedge(0.3), steps=T)
        np.testing.assert_allclose(learned.diagnostics["regret"][-1], game.gap(joint), atol=1e-12)
        np.testing.assert_allclose(learned.diagnostics["swap_regret"][-1], game.gap(joint, "correlated"), atol=1e-12)

    def test_its_gap_is_exact(self) -> None:
        game = RepeatedMatrixGame(zero_sum(np.random.default_rng(0), 1, (6, 5))[0], memory=1)
        learned = train(game, rule=PredictiveRMPlus(), steps=300, average="quadratic", alternate=True)
        judged = gap(game, learned)
        assert judged.kind == "bounds"
        np.testing.assert_allclose(judged.upper, learned.diagnostics["average"][-1] * game.span, atol=1e-6)
        assert judged.upper.sum() <= 2e-3 * game.span

    def test_prices_without_memory_are_competitive(self) -> None:
        game = RepeatedPricing(prices=9)
        learned = train(game, steps=500)
        at = game.static_equilibria.mean()
        seen = game.observe(game.state_of(np.arange(3)))
        assert np.abs(learned.declared.act(seen, np.random.default_rng(0)) - at).max() <= 1
        assert (gap(game, learned).upper <= 0.02 * game.span * game.demand.profit(game.static_nash)).all()

    def test_actions_that_a_player_lacks_are_not_played(self) -> None:
        game = RepeatedMatrixGame(normal(np.random.default_rng(2), 1, (2, 4))[0])
        learned = train(game, rule=Hedge(), steps=50)
        assert learned.declared.table[0, :, 2:].max() == 0  # type: ignore[attr-defined]


class TestMarkovGames:
    def test_the_big_match(self) -> None:
        game = TabularMarkovGame(big_match(0.9), discount=0.9)
        learned = train(game, rule=RMPlus(), steps=3 * 3000, average="linear", alternate=True, checkpoints=2)
        judged = gap(game, learned)
        assert (judged.upper <= 0.02 * game.span).all()
        early = train(game, rule=RMPlus(), steps=3 * 30, average="linear", alternate=True)
        assert judged.upper.sum() < gap(game, early).upper.sum() / 3
        table = learned.declared.table  # type: ignore[attr-defined]
        assert table[0, 0, 0, 0] == pytest.approx((1 - 0.9) / (2 - 0.9), abs=0.01)  # the chance to stop

    def test_with_a_horizon_stages_are_steps(self) -> None:
        rng = np.random.default_rng(0)
        own, moves = rng.normal(size=(3, 2, 3)), rng.dirichlet(np.ones(3), size=(3, 2, 3))
        game = TabularMarkovGame(
            MarkovGame(np.stack([own, -own]), moves, np.full(3, 1 / 3), horizon=4), horizon=4, discount=0.95
        )
        assert stages_of(game).count == 12
        learned = train(game, rule=RMPlus(), steps=12 * 2000, average="linear", alternate=True)
        judged = gap(game, learned)
        assert judged.upper.sum() <= 0.05
        np.testing.assert_allclose(judged.value, solve(game).value, atol=0.05)
        assert gap(game, Random(game)).upper.sum() > 0.5


class TestFeedback:
    def test_a_dominant_action_is_found_from_own_payoffs_alone(self) -> None:
        game = RepeatedMatrixGame(prisoners_dilemma())
        learned = train(game, 1, rule=Hedge(0.03), steps=5000, feedback="bandit", average="last")
        assert learned.declared.table[:, 0, 1].min() > 0.95  # type: ignore[attr-defined]
        assert pure_nash(prisoners_dilemma())[1, 1]

    def test_arguments(self) -> None:
        with pytest.raises(ValueError, match="`rule` must give every action a chance"):
            NoRegret(RMPlus(), feedback="bandit")
        with pytest.raises(ValueError, match="`average` must be one of"):
            NoRegret(average="cubic")
        with pytest.raises(ValueError, match="`steps` must be at least 3"):
            NoRegret(steps=2, checkpoints=3)
        with pytest.raises(TypeError, match=r"`game` must be RepeatedMatrixGame, .*; got CournotMarket"):
            NoRegret().check(CournotMarket())


def test_fictitious_play_cycles_and_the_curve_learns_from_no_episode() -> None:
    learned = train(RepeatedMatrixGame(shapley()), rule=FictitiousPlay(), steps=3000, checkpoints=3)
    assert (learned.diagnostics["average"].sum(axis=1)[1:] > 0.25).all()  # .287 for ever, from any first action
    assert learned.curve.episodes.tolist() == [0, 0, 0, 0]
    assert learned.curve.total.shape == (4, 2)
