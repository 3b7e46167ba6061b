from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.scenarios.bench.conftest import MARKET, SUITE, cell_of
from walras.agents.registration import LEARNERS
from walras.core.learner import Learner
from walras.envs.registration import GAMES
from walras.scenarios.bench import plan as module
from walras.scenarios.bench.plan import Cell, Plan, code_of, identity, plan
from walras.scenarios.bench.registration import methods
from walras.scenarios.bench.suite import Evaluation, Recipe, Suite
from walras.scenarios.bench.suites import CORE, QUICK


def test_every_registered_game_and_learner_is_in_the_core() -> None:
    planned = plan(CORE)
    assert {cell.game for cell in planned.cells} == {key.rpartition("-v")[0] for key in GAMES}
    made = {cell.method_recipe.make.rpartition(":")[2] for cell in planned.cells if cell.role == "learner"}
    assert made == set(LEARNERS)
    assert planned.suite.seeds >= 10
    for game in {cell.game for cell in planned.cells}:
        here = {cell.method for cell in planned.cells if cell.game == game}
        assert here >= {"solved", "scripted", "random", "MAPPO"}
        assert here | {each.method for each in planned.skipped if each.game == game} == set(methods())


def test_a_learner_plays_the_games_that_it_does_not_refuse() -> None:
    planned = plan(CORE)
    for cell in planned.cells:
        if cell.role == "learner":
            game = cell.make_game()
            learner = cell.make_method(game)
            assert isinstance(learner, Learner)
            learner.check(game)
            assert learner.steps in (0, cell.steps)
    refused = {(each.game, each.method): each.reason for each in planned.skipped}
    assert "Box for SAC" in refused["cooperation.grid_world", "SAC"]
    assert "RobustTeamLQ" in refused["electricity.cournot_market", "MRPG"]
    assert "TradingNetworkGame" in refused["electricity.cournot_market", "ZeroIntelligence"]


def test_the_quick_suite_is_part_of_the_core() -> None:
    quick, core = plan(QUICK), plan(CORE)
    pairs = {(cell.game, cell.method) for cell in core.cells}
    assert {(cell.game, cell.method) for cell in quick.cells} <= pairs
    assert len({cell.family for cell in quick.cells}) >= 3


def test_blocks_hold_every_seed_once() -> None:
    planned = plan(replace(SUITE, seeds=5, block=2))
    assert [cell.seeds for cell in planned.cells if cell.method == "MAPPO"] == [(0, 1), (2, 3), (4,)]
    assert len({cell.id for cell in planned.cells}) == len(planned.cells) == 9


def test_settings_and_budgets_of_a_game_outweigh_those_of_its_family() -> None:
    scopes = {"electricity": {"epochs": 2, "clip": 0.1}, "market": {"epochs": 3}, "trading": {"epochs": 9}}
    suite = replace(SUITE, settings={"MAPPO": scopes}, budgets={"electricity": 96, "trading": 1})
    cell = cell_of(plan(suite), "MAPPO")
    learner = cell.make_method(cell.make_game())
    assert (learner.epochs, learner.clip, learner.steps) == (3, 0.1, 96)  # type: ignore[union-attr]
    assert cell_of(plan(replace(suite, budgets={"market": 128, "electricity": 96})), "MAPPO").steps == 128


def test_the_fingerprint_tells_apart_what_changes_numbers(tiny: Plan) -> None:
    cell = cell_of(tiny, "MAPPO")
    others = [
        replace(cell, steps=128),
        replace(cell, seeds=(0,)),
        replace(cell, evaluation=replace(cell.evaluation, frames=257)),
        replace(cell, game_recipe=Recipe(cell.game_recipe.make, {"horizon": 4})),
        replace(cell, method_recipe=Recipe(cell.method_recipe.make, {**cell.method_recipe.arguments, "clip": 0.3})),
    ]
    assert len({identity(each) for each in (cell, *others)}) == 6
    assert identity(replace(cell, game="another name", method="another")) == cell.id


def test_the_fingerprint_of_a_users_learner_is_that_of_its_file(
    learner_file: Path, settling: Callable[..., Plan], tmp_path: Path
) -> None:
    cell = cell_of(settling(), "own")
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    copy = moved / learner_file.name
    copy.write_text(learner_file.read_text())
    assert identity(replace(cell, method_recipe=Recipe(f"{copy}:Settles"))) == cell.id
    copy.write_text(learner_file.read_text() + "\n# another\n")
    assert identity(replace(cell, method_recipe=Recipe(f"{copy}:Settles"))) != cell.id


def test_files_of_one_name_in_several_folders_count_each(learner_file: Path, tmp_path: Path) -> None:
    package = learner_file.parent / "parts"
    (package / "more").mkdir(parents=True)
    (package / "__init__.py").write_text("LEVEL = 1.0\n")
    (package / "more" / "__init__.py").write_text("LEVEL = 2.0\n")
    learner_file.write_text(f"{learner_file.read_text()}\nimport parts.more\n")
    market = tmp_path / learner_file.name
    market.write_text("from walras.envs.electricity.cournot_market import CournotMarket\n")
    cell = Cell("a", "b", Recipe(f"{market}:CournotMarket"), Recipe(f"{learner_file}:Settles"), 8, (0,), Evaluation())
    found = {identity(cell)}
    for file in (market, learner_file, package / "__init__.py", package / "more" / "__init__.py"):
        file.write_text(f"{file.read_text()}\n# another\n")
        found.add(identity(cell))
    assert len(found) == 5


def test_another_family_changes_no_fingerprint(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    house = tmp_path / "house"
    for file in ("core/a.py", "envs/trading/b.py", "envs/electricity/c.py", "agents/ppo/d.py", "envs/registration.py",
                 "scenarios/bench/plan.py", "scenarios/bench/judge.py", "scenarios/bench/references.py"):  # fmt: skip
        (house / file).parent.mkdir(parents=True, exist_ok=True)
        (house / file).write_text("x = 1\n")
    monkeypatch.setattr(module, "__file__", str(house / "scenarios/bench/plan.py"))

    def told(changed: str) -> set[str]:
        """Return the families whose code a change of a file changes."""
        families = ("electricity", "trading", "own")
        code_of.cache_clear()
        before = {family: code_of(family) for family in families}
        (house / changed).write_text(f"x = {len(changed)}\n")
        code_of.cache_clear()
        return {family for family in families if code_of(family) != before[family]}

    try:
        assert told("envs/trading/b.py") == {"trading"}
        assert told("envs/electricity/c.py") == {"electricity"}
        assert told("agents/ppo/d.py") == told("core/a.py") == {"electricity", "trading", "own"}
        assert told("scenarios/bench/judge.py") == {"electricity", "trading", "own"}
        assert told("envs/registration.py") == set()
    finally:
        code_of.cache_clear()


@pytest.mark.parametrize(
    ("suite", "told"),
    [
        (replace(SUITE, games={"a": Recipe("electricity.cournot_markt")}), "Did you mean 'electricity.cournot_market'"),
        (replace(SUITE, methods={"a": Recipe("MAPO")}), "Did you mean 'MAPPO'"),
        (replace(SUITE, methods={"PegMARL": Recipe("PegMARL")}), "PegMARL can play none; got .*personal tasks"),
        (replace(SUITE, budgets={"tems": 10}), "`budgets` must be .*Did you mean 'teams'"),
        (replace(SUITE, settings={"MAPO": {"teams": {"epochs": 2}}}), "`settings` must be .*Did you mean 'MAPPO'"),
        (replace(SUITE, settings={"MAPPO": {"epochs": 2}}), "`settings.MAPPO` must be .*; got 'epochs'"),
        (
            replace(SUITE, settings={"MAPPO": {"market": {"epocs": 2}}}),
            r"`arguments` must fit walras.agents.ppo.mappo:MAPPO; got .* for MAPPO in market .*'epocs'",
        ),
        (Suite(name="a", games={"a": MARKET}, methods={"x": Recipe("fractions:Fraction")}), "frozen dataclass"),
    ],
)
def test_what_is_unknown_or_cannot_play_is_told_before_anything_runs(suite: Suite, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        plan(suite)


def test_a_method_that_can_play_some_of_the_games_is_left_out_of_the_others(settling: Callable[..., Plan]) -> None:
    own = settling().suite
    games = {"market": MARKET, "teams": Recipe("teams.team_mean_field_lq")}
    planned = plan(replace(own, games=games))
    assert ("teams", "own", "`game` must have at most 5 agents") in planned.skipped
    assert {cell.method for cell in planned.cells if cell.game == "teams"} == {"random"}
