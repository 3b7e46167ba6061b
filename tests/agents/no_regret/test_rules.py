import numpy as np
import pytest

from walras.agents.no_regret.play import mean_joint, play, strategies
from walras.agents.no_regret.replicator import replicator
from walras.agents.no_regret.rules import (
    FictitiousPlay,
    Hedge,
    MagneticMirrorDescent,
    NashPG,
    OptimisticHedge,
    PredictiveRMPlus,
    RegretMatching,
    RMPlus,
    Rule,
    SwapHedge,
    TreeSwap,
    softmax,
    stationary,
)
from walras.core.typing import Floats
from walras.equilibria import nash, zero_sum
from walras.markets.matrix import MatrixGame, MatrixGames
from walras.markets.matrix.named_games import matching_pennies, prisoners_dilemma, rock_paper_scissors, shapley
from walras.markets.matrix.random_games import normal
from walras.markets.matrix.random_games import zero_sum as random_zero_sum
from walras.markets.normal_form import Mixed

RULES = [
    Hedge(),
    OptimisticHedge(),
    RegretMatching(),
    RMPlus(),
    PredictiveRMPlus(),
    FictitiousPlay(),
    SwapHedge(),
    TreeSwap(),
    MagneticMirrorDescent(),
    NashPG(),
]
PENNIES = np.array([[0.6, 0.4]]), np.array([[0.5, 0.5]])


def divergence(target: Floats, x: Floats) -> float:
    return float((target * np.log(target / x)).sum())


def external(utility: Floats, rule: Rule) -> float:
    """Return the regret of a rule against ``utility [T, A]``."""
    state, earned = rule.start(np.full(utility.shape[1], 1 / utility.shape[1])), 0.0
    for u in utility:
        earned += float(state.policy @ u)
        state = rule.update(state, u)
    return float(utility.sum(axis=0).max()) - earned


def end_of(mixed: Mixed, rows: int) -> Mixed:
    """Return the strategies of one row for all."""
    return tuple(np.repeat(own, rows, axis=0) for own in mixed)


class TestEach:
    @pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
    def test_a_row_is_a_batch_of_one_bit_for_bit(self, rule: Rule) -> None:
        games = normal(np.random.default_rng(0), 6, (4, 3))
        together = play(games, rule, 50)
        for b in range(6):
            alone = play(games[b], rule, 50)
            assert all(np.array_equal(one[0], all_[b]) for one, all_ in zip(alone.last, together.last, strict=True))
            assert np.array_equal(alone.regret[0], together.regret[b])

    @pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
    def test_strategies_are_strategies(self, rule: Rule) -> None:
        end = play(normal(np.random.default_rng(0), 5, (3, 2, 4)), rule, 100)
        for x in (*end.average, *end.last):
            assert x.min() >= 0
            np.testing.assert_allclose(x.sum(axis=1), 1, atol=1e-12)

    @pytest.mark.parametrize("rule", [Hedge(), RegretMatching(), RMPlus(), PredictiveRMPlus()])
    def test_means_approach_the_value(self, rule: Rule) -> None:
        games = random_zero_sum(np.random.default_rng(0), 10, (4, 5))
        end = play(games, rule, 4000, alternate=False)
        np.testing.assert_allclose(games.values(end.average)[:, 0], zero_sum(games).value, atol=0.1)
        assert play(games, rule, 400, alternate=False).gap.mean() > 1.5 * end.gap.mean()

    def test_a_rule_of_ones_own_is_judged_as_it_plays(self) -> None:
        class Stubborn:
            def start(self, first: Floats) -> "tuple[Floats]":
                from typing import NamedTuple

                return NamedTuple("State", [("policy", Floats)])(first)  # type: ignore[return-value]

            def update(self, state: object, utility: Floats) -> object:
                return state

        end = play(matching_pennies(), Stubborn(), 10, first=PENNIES)
        np.testing.assert_allclose(end.gap, 0.2)
        np.testing.assert_allclose(end.regret, [[0, 2.0]], atol=1e-12)


class TestBounds:
    @pytest.mark.parametrize("size", [2, 5, 20])
    def test_hedge(self, size: int) -> None:
        rng, T = np.random.default_rng(0), 500
        rule = Hedge(np.sqrt(8 * np.log(size) / T))
        sequences = [
            rng.random((T, size)),
            rng.integers(0, 2, (T, size)).astype(float),
            np.eye(size)[np.arange(T) % size],
        ]
        for utility in sequences:
            assert external(utility, rule) <= np.sqrt(T * np.log(size) / 2)

    @pytest.mark.parametrize("rule", [RegretMatching(), RMPlus(), PredictiveRMPlus()])
    def test_regret_matching(self, rule: Rule) -> None:
        rng, T = np.random.default_rng(0), 1000
        for utility in (rng.normal(size=(T, 6)), np.eye(6)[np.arange(T) % 6]):
            wide = np.ptp(utility, axis=1).max()
            assert external(utility, rule) <= wide * np.sqrt(T * 6)

    @pytest.mark.parametrize(("T", "most"), [(256, 0.0058), (1024, 0.0031), (4096, 0.0013)])
    def test_swap_regret_where_the_loss_is_on_the_favourite(self, T: int, most: float) -> None:
        rule = SwapHedge(np.sqrt(2 * 5 * np.log(5) / T))
        state = rule.start(np.full(5, 0.2))
        moved = np.zeros((5, 5))
        for _ in range(T):
            utility = -np.eye(5)[state.policy.argmax()]
            moved += np.outer(state.policy, utility)
            state = rule.update(state, utility)
        swap = (moved.max(axis=1) - np.diag(moved)).sum() / T
        assert swap <= np.sqrt(2 * 5 * np.log(5) / T)
        assert swap <= 3 * most

    @pytest.mark.parametrize(("branches", "depth"), [(64, 2), (8, 4)])
    def test_swap_regret_of_a_tree(self, branches: int, depth: int) -> None:
        # With payoffs in [0, 1]: 1 / D + sqrt(ln A / 2 M) a round, whatever is played against it.
        T, size = branches**depth, 5
        rule = TreeSwap(np.sqrt(8 * np.log(size) / branches), branches, depth)
        for adverse in (True, False):
            rng, state, moved = np.random.default_rng(0), rule.start(np.full(size, 1 / size)), np.zeros((size, size))
            for _ in range(T):
                utility = 1 - np.eye(size)[state.policy.argmax()] if adverse else rng.random(size)
                moved += np.outer(state.policy, utility)
                state = rule.update(state, utility)
            swap = (moved.max(axis=1) - np.diag(moved)).sum() / T
            assert 0 <= swap <= 1 / depth + np.sqrt(np.log(size) / (2 * branches))

    def test_a_tree_is_hedge_at_several_speeds(self) -> None:
        utility, rule = np.random.default_rng(0).random((30, 3)), TreeSwap(0.5, branches=3, depth=2)
        state = rule.start(np.full(3, 1 / 3))
        for t in range(30):
            leaf = utility[t - t % 3 : t].sum(axis=0)  # of the three moves so far, one a round
            means = utility[t - t % 9 : t - t % 3].reshape(-1, 3, 3).mean(axis=1)  # one every three rounds
            told = (softmax(0.5 * leaf) + softmax(0.5 * means.sum(axis=0))) / 2
            np.testing.assert_allclose(state.policy, told, atol=1e-12)
            state = rule.update(state, utility[t])

    def test_stationary_distributions(self) -> None:
        chances = np.random.default_rng(0).dirichlet(np.ones(4), size=(7, 4))
        found = stationary(chances)
        np.testing.assert_allclose(np.einsum("ba,bac->bc", found, chances), found, atol=1e-12)


class TestGoldens:
    def test_hedge_leaves_the_equilibrium_of_pennies(self) -> None:
        # The sum over actions of log(1/2 / x), both players: .0412 after one round, 8.826 after 2,000.
        for steps, told in ((1, 0.0412), (2000, 8.826)):
            end = play(matching_pennies(), Hedge(0.1), steps, alternate=False, first=PENNIES)
            apart = sum(2 * divergence(np.full(2, 0.5), x[0]) for x in end.last)
            assert apart == pytest.approx(told, abs=5e-4)

    def test_optimistic_hedge_approaches_it(self) -> None:
        for steps, told in ((100, 0.17468), (500, 0.017502), (2000, 1.007e-5)):
            end = play(matching_pennies(), OptimisticHedge(0.1), steps, alternate=False, first=PENNIES, average="last")
            assert end.gap[0] == pytest.approx(told, rel=1e-3)

    def test_fictitious_play_cycles_in_shapleys_game(self) -> None:
        game, first = shapley(), (np.eye(3)[:1], np.eye(3)[:1])
        for steps, told in ((1000, 0.2936), (10_000, 0.2878)):
            end = play(game, FictitiousPlay(), steps, alternate=False, first=first)
            assert game.nash_conv([x[0] for x in end.average]) == pytest.approx(told, abs=1e-4)

    def test_replicator_keeps_the_product_of_shares(self) -> None:
        first = np.array([[0.5, 0.3, 0.2]])
        orbit = replicator(rock_paper_scissors(), (first, first), 20.0, 2_000)[0]
        np.testing.assert_allclose(orbit[:, 0].prod(axis=1), 0.03, atol=1e-11)
        assert np.ptp(orbit[:, 0, 0]) > 0.1

    def test_magnets_approach_an_equilibrium(self) -> None:
        table = np.random.default_rng(0).uniform(-1, 1, (5, 5))
        game = MatrixGame(np.stack([table, -table]))
        mixed = nash(game).mixed
        gaps, apart = [], []
        for rounds in (1, 10, 40):
            end = play(game, NashPG(alpha=0.3, eta=0.1, refresh=200), 200 * rounds, alternate=False, average="last")
            gaps.append(float(end.gap[0]))
            apart.append(sum(float(np.abs(x[0] - m).max()) for x, m in zip(end.last, mixed, strict=True)))
        assert gaps[0] > gaps[1] > gaps[2]
        assert gaps[2] < gaps[0] / 100
        assert apart[2] < apart[0]

    def test_a_fixed_magnet_keeps_the_regularised_equilibrium(self) -> None:
        table, alpha = np.random.default_rng(0).uniform(-1, 1, (4, 3)), 0.3
        game = MatrixGame(np.stack([table, -table]))
        end = play(game, MagneticMirrorDescent(alpha=alpha, eta=0.1), 3000, alternate=False, average="last")
        x, y = (own[0] for own in end.last)
        for own, worth in ((x, table @ y), (y, -table.T @ x)):
            answer = np.exp((worth - worth.max()) / alpha)
            np.testing.assert_allclose(own, answer / answer.sum(), atol=1e-10)


class TestPlay:
    @pytest.mark.parametrize(("rule", "average"), [(RMPlus(), "linear"), (PredictiveRMPlus(), "quadratic")])
    def test_a_thousand_games_reach_the_target(self, rule: Rule, average: str) -> None:
        games = random_zero_sum(np.random.default_rng(0), 1000, (20, 20))
        end = play(games, rule, 1000, average=average, target=2e-3)
        assert end.steps.max() <= 700
        better = np.minimum(games.nash_conv(end.average), games.nash_conv(end.last))
        np.testing.assert_allclose(end.gap, better, atol=1e-12)
        assert better.max() <= 2e-3

    def test_players_that_move_at_once_are_slow(self) -> None:
        games = random_zero_sum(np.random.default_rng(0), 20, (20, 20))
        end = play(games, RMPlus(), 700, alternate=False, average="linear", target=2e-3)
        assert end.gap.min() > 2e-3

    def test_rows_that_leave_are_as_if_alone(self) -> None:
        games = random_zero_sum(np.random.default_rng(0), 8, (5, 5))
        end = play(games, RMPlus(), 500, average="linear", target=1e-2)
        assert len(set(end.steps.tolist())) > 1
        for b in range(8):
            alone = play(games[b], RMPlus(), 500, average="linear", target=1e-2)
            assert alone.steps[0] == end.steps[b]
            assert np.array_equal(alone.average[0][0], end.average[0][b])

    def test_regret_a_round_is_the_gap_of_the_mean_play(self) -> None:
        games = normal(np.random.default_rng(0), 3, (3, 2, 4))
        T = 200
        joint = mean_joint(strategies(games, Hedge(0.2), T))
        end = play(games, Hedge(0.2), T, alternate=False)
        np.testing.assert_allclose(end.regret / T, games.gap(joint), atol=1e-12)

    def test_hedge_against_itself_bounds_the_gap(self) -> None:
        # T rounds of a 5 x 5 game with payoffs in [0, 1]: at most sqrt(ln A / 2 T), .0140166 at T = 4,096.
        T = 4096
        games = MatrixGames(np.stack([np.random.default_rng(seed).random((2, 5, 5)) for seed in range(4)]))
        rule = Hedge(np.sqrt(8 * np.log(5) / T))
        gap = games.gap(mean_joint(strategies(games, rule, T))).max(axis=1)
        assert gap.max() <= np.sqrt(np.log(5) / (2 * T))
        # Play that settles on one cell pays ln A / (eta T), half of the bound, and what it pays on its way.
        assert gap[3] == pytest.approx(0.0070358, abs=5e-8)

    def test_swap_regret_is_the_gap_of_a_correlated_device(self) -> None:
        games, T = normal(np.random.default_rng(1), 1, (3, 4)), 300
        played = strategies(games, SwapHedge(0.3), T)
        joint = mean_joint(played)
        moved = np.zeros((3, 3))
        for t in range(T):
            worth = games.payoff[0, 0] @ played[1][t, 0]
            moved += np.outer(played[0][t, 0], worth) / T
        swap = (moved.max(axis=1) - np.diag(moved)).sum()
        assert games.gap(joint, "correlated")[0, 0] == pytest.approx(swap, abs=1e-12)

    def test_bandit_feedback_is_right_on_average(self) -> None:
        # One round of Hedge moves logarithms by eta times the told utilities: on average those of all actions.
        games = MatrixGames(np.repeat(normal(np.random.default_rng(3), 1, (3, 2, 2)).payoff, 20_000, axis=0))
        first = tuple(np.array([own]) for own in ([0.5, 0.3, 0.2], [0.6, 0.4], [0.1, 0.9]))
        end = play(games, Hedge(1.0), 1, alternate=False, first=first, feedback="bandit", average="last")
        for i, (own, worth) in enumerate(zip(end.last, games.utilities(end_of(first, 20_000)), strict=True)):
            logs = np.log(own) - np.log(first[i])
            told = (logs - logs.max(axis=1, keepdims=True)).mean(axis=0)  # a drawn action falls, the others stay
            true = worth[0] - games.payoff[0, i].max()
            assert np.abs(told - true).max() <= 5 * (logs.std(axis=0) / np.sqrt(20_000)).max()

    def test_bandit_feedback_finds_a_dominant_action(self) -> None:
        T, games = 2000, MatrixGames(np.repeat(prisoners_dilemma().payoff[None], 20, axis=0))
        eta = np.sqrt(2 * np.log(2) / (2 * T)) / 5
        end = play(games, Hedge(eta), T, alternate=False, feedback="bandit")
        assert (end.regret.mean(axis=0) <= 5 * np.sqrt(2 * T * 2 * np.log(2))).all()  # Exp3, payoffs in [0, 5]
        assert np.mean([x[:, 1] for x in end.last]) > 0.95
        again = play(games, Hedge(eta), T, alternate=False, feedback="bandit")
        assert np.array_equal(again.regret, end.regret)
        assert len(np.unique(end.regret)) == 40  # each row draws on its own

    def test_bandit_feedback_needs_rules_that_try_everything(self) -> None:
        with pytest.raises(ValueError, match="`rule` must give every action a chance with bandit feedback"):
            play(matching_pennies(), RMPlus(), 10, alternate=False, feedback="bandit")
        with pytest.raises(ValueError, match="`alternate` must be False with bandit feedback"):
            play(matching_pennies(), Hedge(), 10, feedback="bandit")
        with pytest.raises(ValueError, match="`feedback` must be one of bandit, full"):
            play(matching_pennies(), Hedge(), 10, feedback="none")  # type: ignore[arg-type]

    def test_arguments(self) -> None:
        game = matching_pennies()
        with pytest.raises(ValueError, match="`eta` must be positive"):
            Hedge(0.0)
        with pytest.raises(ValueError, match="`eta` must be positive and finite; got nan"):
            Hedge(float("nan"))
        with pytest.raises(ValueError, match="`average` must be one of"):
            play(game, Hedge(), 10, average="cubic")
        with pytest.raises(ValueError, match="`target` must be positive"):
            play(game, Hedge(), 10, target=0.0)
        with pytest.raises(ValueError, match="`first` must sum to 1"):
            play(game, Hedge(), 10, first=(np.ones((1, 2)), np.ones((1, 2))))
