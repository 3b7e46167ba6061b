from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from walras.core.typing import Floats, Ints
from walras.envs import RepeatedPricing
from walras.equilibria import MemoryGame, grim_trigger, grim_trigger_threshold, memory_best_response
from walras.equilibria.matrix.memory_policies import memory_game

DUOPOLY = RepeatedPricing()
UNEQUAL = RepeatedPricing(cost=(1.0, 1.3), quality=(2.0, 2.4), prices=4, memory=2, discount=0.9)
THREE = RepeatedPricing(cost=(1.0, 1.2, 0.9), prices=3)
DILEMMA = np.array([[[3.0, 0.0], [5.0, 1.0]], [[3.0, 5.0], [0.0, 1.0]]])


def prisoners(discount: float, start: int = 0) -> MemoryGame:
    """The prisoner's dilemma 3, 5, 1, 0 with memory one; action 0 cooperates."""
    first = np.eye(4)[start]
    return MemoryGame(DILEMMA, np.zeros(1, dtype=np.int64), np.zeros(4, dtype=np.int64), first, discount)


def solved(game: MemoryGame, chances: Floats, i: int | None) -> Floats:
    """The value of player i's best response ``[S]``, or of all players' own play ``[N, S]``, by dense algebra.

    The other road: transition matrices over pasts, and value iteration over all of a player's actions.
    """
    states, players = len(game.group), len(game.actions)
    joints = list(product(*map(range, game.actions)))
    ahead = game.base[game.group][:, None] + np.arange(len(joints))
    if i is None:
        chance = np.array([np.prod([chances[j, :, m[j]] for j in range(players)], axis=0) for m in joints]).T
        move = np.zeros((states, states))
        for s, m in np.ndindex(chance.shape):
            move[s, ahead[s, m]] += chance[s, m]
        reward = chance @ game.payoff.reshape(players, -1).T
        return np.linalg.solve(np.eye(states) - game.discount * move, reward).T
    value = np.zeros(states)
    others = np.array([np.prod([chances[j, :, m[j]] for j in range(players) if j != i], axis=0) for m in joints]).T
    own = np.array([m[i] for m in joints])
    for _ in range(int(np.ceil(np.log(1e-14) / np.log(game.discount)))):
        worth = others * (game.payoff[i].ravel() + game.discount * value[ahead])
        value = np.max([worth[:, own == a].sum(axis=1) for a in range(game.actions[i])], axis=0)
    return value


def tables(game: RepeatedPricing, count: int, seed: int) -> Ints:
    rng = np.random.default_rng(seed)
    return rng.integers(0, game.prices, (count, len(game.agents), game.states))


@pytest.mark.parametrize("game", [DUOPOLY, UNEQUAL, THREE])
def test_responses_to_pure_policies_are_those_of_value_iteration(game: RepeatedPricing) -> None:
    policies = tables(game, 3, 0)
    found, known = memory_best_response(game, policies), memory_game(game)
    for b, table in enumerate(policies):
        chances = np.eye(game.prices)[table]
        np.testing.assert_allclose(found.value[b], solved(known, chances, None), rtol=0, atol=1e-11)
        for i in range(len(game.agents)):
            np.testing.assert_allclose(found.best[b, i], solved(known, chances, i), rtol=0, atol=1e-10)
    assert (found.width < 1e-11).all()


@pytest.mark.parametrize("game", [DUOPOLY, UNEQUAL, THREE])
@pytest.mark.parametrize("evenness", [1.0, 0.05])
def test_responses_to_policies_that_draw_lie_within_their_bounds(game: RepeatedPricing, evenness: float) -> None:
    rng = np.random.default_rng(1)
    chances = rng.dirichlet(np.full(game.prices, evenness), (2, len(game.agents), game.states))
    found, known = memory_best_response(game, chances), memory_game(game)
    for b, table in enumerate(chances):
        assert np.abs(found.value[b] - solved(known, table, None)).max() < 1e-10
        for i in range(len(game.agents)):
            assert np.abs(found.best[b, i] - solved(known, table, i)).max() < 1e-10
    assert (found.width < 1e-9).all()


@pytest.mark.parametrize("game", [DUOPOLY, UNEQUAL, THREE])
def test_a_response_attains_its_value_when_it_is_played(game: RepeatedPricing) -> None:
    policies = tables(game, 4, 2)
    found = memory_best_response(game, policies)
    for i in range(len(game.agents)):
        deviated = policies.copy()
        deviated[:, i] = found.reply[:, i]
        again = memory_best_response(game, deviated)
        np.testing.assert_allclose(again.value[:, i], found.best[:, i], rtol=0, atol=1e-12)
        np.testing.assert_array_equal(again.gain[:, i], 0.0)


def test_pure_policies_and_the_same_as_chances_agree() -> None:
    policies = tables(DUOPOLY, 5, 3)
    pure, drawn = memory_best_response(DUOPOLY, policies), memory_best_response(DUOPOLY, np.eye(15)[policies])
    for name in ("value", "once", "best"):
        np.testing.assert_allclose(getattr(drawn, name), getattr(pure, name), rtol=0, atol=1e-10)
    start = np.arange(5)
    paths = [memory_best_response(DUOPOLY, table, start).path for table in (policies, np.eye(15)[policies])]
    np.testing.assert_array_equal(*paths)


def test_one_shot_is_at_most_the_gap_which_is_at_most_that_of_all_subgames() -> None:
    policies = tables(DUOPOLY, 200, 4)
    found = memory_best_response(DUOPOLY, policies, np.arange(200))
    assert (found.one_shot_gap <= found.path_gap + 1e-12).all()
    assert (found.gap <= found.path_gap).all()
    assert (found.path_gap <= found.subgame_gap).all()
    assert (found.path_gap < found.subgame_gap).any()
    assert (found.one_shot_gap < 0.9 * found.path_gap).any()


def test_firms_that_change_places_change_gaps() -> None:
    """Tables by (own, rival) would be numbered wrongly; with unequal costs this shows."""
    policies = tables(UNEQUAL, 6, 5)
    other = replace(UNEQUAL, cost=(1.3, 1.0), quality=(2.4, 2.0))
    swapped = other.state_index(type(other.state_of(np.arange(1)))(UNEQUAL.state_of(np.arange(256)).last[:, :, ::-1]))
    assert (swapped != np.arange(256)).any()
    mirrored = np.empty_like(policies)
    mirrored[:, :, swapped] = policies[:, ::-1]
    here, there = memory_best_response(UNEQUAL, policies), memory_best_response(other, mirrored)
    np.testing.assert_allclose(there.subgame_gap, here.subgame_gap[:, ::-1], atol=1e-12)
    np.testing.assert_allclose(there.gap, here.gap[:, ::-1], atol=1e-12)
    assert np.abs(here.gap - here.gap[:, ::-1]).max() > 1e-3


def test_a_row_equals_its_batch_of_one_bit_for_bit() -> None:
    policies = tables(DUOPOLY, 5, 6)
    whole = memory_best_response(DUOPOLY, policies)
    for b in range(5):
        alone = memory_best_response(DUOPOLY, policies[b : b + 1])
        for name in ("value", "once", "best", "reply", "path"):
            np.testing.assert_array_equal(getattr(alone, name)[0], getattr(whole, name)[b])


@pytest.mark.parametrize(("punishment", "threshold"), [((1, 1), 0.39487302), ((2, 2), 0.43060273)])
def test_grim_trigger_is_an_equilibrium_from_its_threshold_on(punishment: tuple[int, int], threshold: float) -> None:
    found = grim_trigger_threshold(DUOPOLY, (13, 13), punishment)
    np.testing.assert_allclose(found, threshold, atol=1e-8)
    profit, step = DUOPOLY.profits[0], 1e-4
    by_hand = (profit[:, 13].max() - profit[13, 13]) / (profit[:, 13].max() - profit[punishment])
    np.testing.assert_allclose(found, by_hand, rtol=1e-14)
    for change, holds in ((step, True), (-step, False)):
        game = replace(DUOPOLY, discount=found[0] + change, start=(13, 13))
        gaps = memory_best_response(game, grim_trigger(game, (13, 13), punishment)[None])
        assert ((gaps.subgame_gap == 0).all()) == holds
        assert ((gaps.gap == 0).all()) == holds
        if not holds:
            np.testing.assert_allclose(gaps.gap, {1: 3.2e-5, 2: 3.1e-5}[punishment[0]], atol=5e-7)


@pytest.mark.parametrize("discount", [0.49, 0.5, 0.51, 0.9])
def test_the_dilemma_is_kept_to_from_one_half_on(discount: float) -> None:
    game = prisoners(discount)
    np.testing.assert_array_equal(grim_trigger_threshold(game, (0, 0), (1, 1)), 0.5)
    found = memory_best_response(game, grim_trigger(game, (0, 0), (1, 1))[None])
    by_hand = max(5 + discount / (1 - discount) - 3 / (1 - discount), 0.0)
    np.testing.assert_allclose(found.gap, by_hand, atol=1e-12)


def test_tit_for_tat_is_nash_and_not_subgame_perfect() -> None:
    """From (C, D) on, both alternate: 5 d / (1 - d^2) for the one who was betrayed, below 3 / (1 - d) for d > 2/3."""
    last = np.arange(4)
    table = np.stack([last % 2, last // 2])  # each does what the other did
    found = memory_best_response(prisoners(0.9), table[None])
    np.testing.assert_array_equal(found.gap, 0.0)
    np.testing.assert_array_equal(found.path_gap, 0.0)
    d = 0.9
    # after (C, D), the first plays D for 5, 0, 5, ..; to play C instead restores cooperation: 3, 3, ..
    np.testing.assert_allclose(found.gain[0, 0, 1], 3 / (1 - d) - 5 / (1 - d**2), atol=1e-12)
    assert (found.subgame_gap > 0.1).all()


def test_ties_and_zeros_gain_nothing() -> None:
    nothing = MemoryGame(np.zeros((2, 3, 3)), np.zeros(1, np.int64), np.zeros(9, np.int64), np.full(9, 1 / 9), 0.95)
    found = memory_best_response(nothing, np.random.default_rng(0).integers(0, 3, (4, 2, 9)))
    for gaps in (found.gap, found.one_shot_gap, found.path_gap, found.subgame_gap):
        np.testing.assert_array_equal(gaps, 0.0)
    alike = replace(DUOPOLY, discount=0.0)
    once = memory_best_response(alike, tables(DUOPOLY, 3, 7))
    np.testing.assert_array_equal(once.one_shot_gap, once.path_gap)


def test_payoffs_in_other_units_scale_the_gaps() -> None:
    known, policies = memory_game(DUOPOLY), tables(DUOPOLY, 3, 8)
    plain = memory_best_response(known, policies)
    for factor in (1e-6, 1e6):
        scaled = memory_best_response(replace(known, payoff=factor * known.payoff), policies)
        np.testing.assert_allclose(scaled.gap, factor * plain.gap, rtol=1e-10)
        np.testing.assert_array_equal(scaled.reply, plain.reply)


@pytest.mark.parametrize("draws", [False, True])
def test_each_firm_counts_by_its_own_profits(draws: bool) -> None:
    known, policies = memory_game(DUOPOLY), tables(DUOPOLY, 3, 8)
    given = np.full((*policies.shape, 15), 0.01) + 0.85 * np.eye(15)[policies] if draws else policies
    plain, factor = memory_best_response(known, given), np.array([1.0, 1e-14])
    scaled = memory_best_response(replace(known, payoff=factor.reshape(2, 1, 1) * known.payoff), given)
    np.testing.assert_allclose(scaled.gap, factor * plain.gap, rtol=1e-9)
    np.testing.assert_array_equal(scaled.reply, plain.reply)


@pytest.mark.parametrize("draws", [False, True])
def test_the_level_of_payoffs_does_not_count(draws: bool) -> None:
    rng = np.random.default_rng(9)
    payoff, policies = rng.integers(0, 9, (2, 3, 3)).astype(float), rng.integers(0, 3, (4, 2, 9))
    known = MemoryGame(payoff, np.zeros(1, np.int64), np.zeros(9, np.int64), np.full(9, 1 / 9), 0.75)
    given = np.full((4, 2, 9, 3), 0.125) + 0.625 * np.eye(3)[policies] if draws else policies
    plain, raised = (memory_best_response(replace(known, payoff=payoff + level), given) for level in (0.0, 2.0**40))
    np.testing.assert_allclose(raised.subgame_gap, plain.subgame_gap, atol=2e-3)  # values have four digits after 2^40
    np.testing.assert_array_equal(raised.reply, plain.reply)


def test_a_gain_is_no_share_of_a_value_of_zero() -> None:
    payoff = np.zeros((2, 2, 2))
    payoff[0, 1] = 1.0
    known = MemoryGame(payoff, np.zeros(1, np.int64), np.zeros(4, np.int64), np.full(4, 0.25), 0.5)
    found = memory_best_response(known, np.zeros((1, 2, 4), int))
    for share in (found.path_share, found.one_shot_share, found.subgame_share):
        assert share.tolist() == [[np.inf, 0.0]]


@pytest.mark.parametrize(
    ("policies", "start", "message"),
    [
        (np.zeros((1, 2, 224), int), None, r"`policies` must have shape \[B, 2, 225\]"),
        (np.full((1, 2, 225), 15), None, r"`policies` must hold known actions; got 15"),
        (np.full((1, 2, 225, 15), 0.1), None, r"`policies` must hold chances that sum to 1"),
        (np.full((1, 2, 225, 15), np.nan), None, r"`policies` must hold chances that are not negative"),
        (np.zeros((1, 2, 225, 14)), None, r"`policies` must have shape \[B, 2, 225, 15\]"),
        (np.zeros((2, 2, 225), int), [0], r"`start` must have shape \[2\]"),
        (np.zeros((1, 2, 225), int), [225], r"`start` must hold states, 0 to 224; got 225"),
    ],
)
def test_what_is_no_policy_is_refused(policies: Ints, start: list[int] | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        memory_best_response(DUOPOLY, policies, start)


def test_what_is_no_repeated_game_is_refused() -> None:
    with pytest.raises(TypeError, match=r"repeated with a bounded memory.*got str"):
        memory_best_response("game", np.zeros((1, 2, 4), int))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="`together` must hold known actions"):
        grim_trigger_threshold(DUOPOLY, (15, 0), (1, 1))
    with pytest.raises(ValueError, match="`punishment` must hold 2 actions"):
        grim_trigger(DUOPOLY, (1, 1), (1, 1, 1))
