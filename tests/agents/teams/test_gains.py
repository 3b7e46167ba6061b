"""What the learners of linear gains share: checkpoints, going on, files, curves and diagnostics."""

import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from walras.agents import MRPG, RGDA, WholeHorizon, mrpg, rgda, whole_horizon
from walras.agents.teams.gains import GainLearner, Trained
from walras.agents.teams.oracles import ExactOracle, Stage, VarianceReducedOracle, ZerothOrderOracle
from walras.agents.teams.policy_gradient import Vanilla, norms
from walras.core import learner as contract
from walras.core.typing import Floats
from walras.envs import CournotMarket, RobustTeamLQ, TeamMeanFieldLQ
from walras.equilibria import gap, solve
from walras.equilibria.teams.team_mean_field import TeamGame, deviation_part, mean_part

TEAMS, ROBUST = TeamMeanFieldLQ.mild(size=4), RobustTeamLQ.mild(size=4)
SAMPLED = MRPG(ZerothOrderOracle(20), iterations=4, checkpoints=4)
LEARNERS: dict[str, tuple[GainLearner, TeamGame]] = {
    "mrpg": (MRPG(iterations=4, checkpoints=4), TEAMS.limit_game()),
    "mrpg_sampled": (SAMPLED, TEAMS),
    "rgda": (RGDA(iterations=5, checkpoints=3), ROBUST),
    "rgda_sampled": (RGDA(VarianceReducedOracle(10), iterations=5, checkpoints=3), ROBUST.teams.limit_game()),
    "whole_horizon": (WholeHorizon(updates=20, checkpoints=4), TEAMS),
}

each = pytest.mark.parametrize(("learner", "game"), LEARNERS.values(), ids=LEARNERS)


def assert_same(one: Trained, other: Trained) -> None:
    """The same numbers bit for bit, in whatever is told."""
    assert one.marks == other.marks
    assert one.steps == other.steps
    for name in ("deviation", "mean"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    for name, values in one.diagnostics.items():
        np.testing.assert_array_equal(values, other.diagnostics[name])
    np.testing.assert_array_equal(one.curve.total, other.curve.total)


@each
def test_it_is_a_learner(learner: GainLearner, game: TeamGame) -> None:
    assert isinstance(learner, contract.Learner)
    trained = contract.train(learner, game)
    assert isinstance(trained, contract.Trained)
    assert trained.learner == learner
    assert trained.game is game


@each
def test_checkpoints_are_even_and_remain_valid(learner: GainLearner, game: TeamGame) -> None:
    found = list(learner.learn(game, 0))
    total = len(learner.played(game))
    assert [trained.updates for trained in found] == [0, *contract.marks(total, learner.checkpoints)]
    for trained in found:
        np.testing.assert_array_equal(trained.deviation, found[-1].deviation[: trained.updates + 1])
        np.testing.assert_array_equal(trained.mean, found[-1].mean[: trained.updates + 1])
        np.testing.assert_array_equal(trained.policy.mean, trained.mean[-1])


@each
def test_what_was_stopped_goes_on_with_the_same_numbers(learner: GainLearner, game: TeamGame, tmp_path: Path) -> None:
    whole = list(learner.learn(game, 3))
    for k, stopped in enumerate(whole[:-1]):
        stopped.save(tmp_path / "stopped")
        for start in (stopped, learner.load(tmp_path / "stopped", game)):
            rest = list(learner.learn(game, 3, start))
            assert len(rest) == len(whole) - k - 1
            assert_same(rest[-1], whole[-1])
    assert list(learner.learn(game, 3, whole[-1])) == []
    assert contract.train(learner, game, 3, whole[-1]) is whole[-1]


@pytest.mark.parametrize("iterations", [3, 4])
def test_it_goes_on_within_a_stage_as_well(iterations: int) -> None:
    learner = MRPG(ZerothOrderOracle(20), iterations=iterations, checkpoints=iterations * TEAMS.horizon)
    found = list(learner.learn(TEAMS, 1))
    for start in found[::3]:
        *_, last = [start, *learner.learn(TEAMS, 1, start)]
        np.testing.assert_array_equal(last.mean, found[-1].mean)


def test_another_process_goes_on_with_the_same_numbers(tmp_path: Path) -> None:
    _, first, *_, last = SAMPLED.learn(TEAMS, 5)
    first.save(tmp_path / "first")
    (tmp_path / "learner").write_bytes(pickle.dumps((SAMPLED, TEAMS)))
    code = (
        "import pickle, sys; from pathlib import Path; from walras.core.learner import train; root = Path(sys.argv[1]);"
        "learner, game = pickle.loads((root / 'learner').read_bytes());"
        "train(learner, game, 5, learner.load(root / 'first', game)).save(root / 'last')"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    assert_same(SAMPLED.load(tmp_path / "last", TEAMS), last)


def test_a_longer_training_over_the_whole_horizon_goes_on_from_a_shorter_one() -> None:
    short = whole_horizon.train(TEAMS, updates=10)
    np.testing.assert_array_equal(
        whole_horizon.train(TEAMS, updates=25, start=short).mean, whole_horizon.train(TEAMS, updates=25).mean
    )
    long = whole_horizon.train(TEAMS, updates=25)
    assert whole_horizon.train(TEAMS, updates=10, start=long) is long
    with pytest.raises(ValueError, match="`start` must be trained by these settings"):
        whole_horizon.train(TEAMS, rule=Vanilla(0.1), start=short)


def test_a_receding_horizon_does_not_go_on_with_other_iterations_or_another_game() -> None:
    start = mrpg.train(TEAMS, iterations=2)
    with pytest.raises(ValueError, match="`start` must be trained by these settings"):
        mrpg.train(TEAMS, iterations=3, start=start)
    with pytest.raises(ValueError, match="`start` must be trained on this game"):
        mrpg.train(replace(TEAMS, size=5), iterations=2, start=start)
    with pytest.raises(ValueError, match="`start` must be trained by these settings"):
        rgda.train(ROBUST, iterations=2, start=whole_horizon.train(ROBUST, updates=2))


def test_the_start_is_not_changed() -> None:
    start = list(SAMPLED.learn(TEAMS, 0))[1]
    before = pickle.dumps(start)
    list(SAMPLED.learn(TEAMS, 0, start))
    assert pickle.dumps(start) == before


def test_steps_count_every_run_of_the_oracle() -> None:
    class Counted:
        runs, found = 7, 0

        def natural_gradient(self, stage: Stage, gain: Floats, rng: np.random.Generator) -> Floats:
            Counted.found += self.runs * len(stage.game.sizes) * len(stage.drawn(rng, 1).noise)
            return np.zeros_like(gain)

    trained = mrpg.train(TEAMS, oracle=Counted(), iterations=3)
    assert trained.steps == Counted.found == 2 * 2 * 7 * 3 * (1 + 2 + 3 + 4 + 5)
    assert trained.curve.steps[[0, -1]].tolist() == [0, trained.steps]
    assert [oracle.runs for oracle in (ExactOracle(), ZerothOrderOracle(9), VarianceReducedOracle(9))] == [0, 9, 18]
    assert mrpg.train(TEAMS, iterations=1).steps == whole_horizon.train(TEAMS, updates=1).steps == 0


@pytest.mark.parametrize("game", [TEAMS, TEAMS.limit_game()])
def test_the_curve_is_the_expected_return(game: TeamGame) -> None:
    trained = mrpg.train(game, checkpoints=5)
    nothing, end = gap(game, replace(trained, marks=(0,))), gap(game, trained)
    assert trained.curve.total.shape == (6, len(game.agents))
    np.testing.assert_allclose(trained.curve.total[0], nothing.value)
    np.testing.assert_allclose(trained.curve.total[-1], end.value)
    np.testing.assert_allclose(trained.curve.total[-1], solve(game).value)


def test_diagnostics_tell_what_moved() -> None:
    game = TEAMS.limit_game()
    trained = mrpg.train(game, iterations=10, checkpoints=5)
    for name, part in (("deviation", deviation_part(game)), ("mean", mean_part(game))):
        path = getattr(trained, name)
        gradient, step, distance = (trained.diagnostics[f"{name}_{of}"] for of in ("gradient", "step", "distance"))
        assert gradient.shape == step.shape == distance.shape == (50, 2)
        np.testing.assert_allclose(step, 0.1 * gradient, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(distance[-1], norms(part, path[-1]).sum(axis=0))
    start, half, _ = mrpg.MRPG(iterations=10, checkpoints=2).learn(game, 0)
    assert {values.shape for values in start.diagnostics.values()} == {(0, 2)}
    assert {values.shape for values in half.diagnostics.values()} == {(25, 2)}


@pytest.mark.parametrize("learner", [MRPG(), RGDA(), WholeHorizon()])
def test_other_games_are_refused(learner: GainLearner) -> None:
    rule = "`game` must be a TeamMeanFieldLQ, a MeanFieldLimitLQ or a RobustTeamLQ"
    for refused in (learner.check, lambda game: learner.learn(game, 0)):
        with pytest.raises(TypeError, match=rule):
            refused(CournotMarket())


@pytest.mark.parametrize("game", [TEAMS, TEAMS.limit_game()])
def test_rgda_refuses_teams_that_do_not_pay_each_other(game: TeamGame) -> None:
    for refused in (RGDA().check, lambda game: RGDA().learn(game, 0)):
        with pytest.raises(TypeError, match="`game` must be a RobustTeamLQ, or the limit of one"):
            refused(game)
    RGDA().check(ROBUST)
    RGDA().check(ROBUST.teams.limit_game())


@pytest.mark.parametrize("kind", [MRPG, RGDA, WholeHorizon])
@pytest.mark.parametrize("checkpoints", [0, 1.5])
def test_checkpoints_are_whole(kind: Callable[..., Any], checkpoints: float) -> None:
    with pytest.raises(ValueError, match="`checkpoints` must"):
        kind(checkpoints=checkpoints)


def test_more_checkpoints_than_updates_are_one_an_update() -> None:
    assert [trained.updates for trained in WholeHorizon(updates=3).learn(TEAMS, 0)] == [0, 1, 2, 3]


def test_files_of_something_else_are_refused(tmp_path: Path) -> None:
    trained, path = mrpg.train(TEAMS, iterations=1), tmp_path / "trained"
    with pytest.raises(FileNotFoundError):
        MRPG().load(path, TEAMS)
    trained.save(path)
    with pytest.raises(ValueError, match=r"`path` must hold what .*WholeHorizon learned; got .*MRPG"):
        WholeHorizon().load(path, TEAMS)
    with pytest.raises(ValueError, match=r"`path` must hold what was trained on this game, (?s:.*)size=5"):
        MRPG().load(path, replace(TEAMS, size=5))
    for content in (b"", b"nothing", path.read_bytes()[:-100], pickle.dumps({})):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"`path` must hold (a trained learner|what .*MRPG learned)"):
            MRPG().load(path, TEAMS)
