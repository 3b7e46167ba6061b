"""Cells: one method with one seed each, the unit of work, which can be interrupted anywhere.

Training advances from checkpoint to checkpoint, each a file. A cell that was cut off goes on from the last one, and
ends with the same numbers as one that was not.
"""

from dataclasses import dataclass
from pathlib import Path
from traceback import extract_tb
from typing import Any

import pandas as pd

from walras.core.game import AbstractGame
from walras.core.learner import Learner, Trained
from walras.core.policy import Policy, Scripted
from walras.core.rollout import Trajectory, rollout
from walras.core.typing import Floats
from walras.equilibria.certificate import Budget, Gap
from walras.equilibria.gap import gap
from walras.scenarios.engine.catalogue import Source
from walras.scenarios.engine.files import write_json, write_table
from walras.scenarios.engine.manifest import Watched, check_unchanged
from walras.scenarios.engine.results import tabulate
from walras.scenarios.engine.scenario import AbstractScenario, Design, Objective, Runs, methods_of
from walras.scenarios.engine.training import Point, advanced

JUDGED = Budget(samples=32, frames=200_000)
"""What the judgement of a method may cost."""
ON_THE_WAY = Budget(samples=16, episodes=512, frames=65_536)
"""What that of a checkpoint may cost, which is therefore less sharp."""
EPISODES = 32
"""Episodes by which a method's gap is judged, for each seed, and each checkpoint's."""
CURVE_SEEDS = range(EPISODES)
_made: list[tuple[Source, Watched, AbstractScenario]] = []
"""The scenario whose cells are being finished, and what it was made from; one at most."""


@dataclass(frozen=True)
class Cell:
    """One method with one seed, and where its files go."""

    source: Source
    method: str
    seed: int
    folder: Path
    files: Watched
    """Those that the run reads."""

    @property
    def done(self) -> bool:
        """Whether its results are there."""
        return (self.folder / "result.json").is_file()


def finish_cell(cell: Cell) -> None:
    """Train the method where it learns, judge it, and write the cell's results.

    Raises
    ------
    ValueError
        If a file that the run reads was changed meanwhile; nothing is then written.
    RuntimeError
        If the scenario calls `sys.exit`.
    """
    try:
        _finish(cell)
    except (Exception, SystemExit) as error:
        place = extract_tb(error.__traceback__)[-1]
        note = f"cell {cell.method}-{cell.seed} of {cell.source.name}; {place.filename}, line {place.lineno}"
        if isinstance(error, SystemExit):
            refusal = RuntimeError("A scenario must not call `sys.exit`.")
            refusal.add_note(note)
            raise refusal from error
        error.add_note(note)
        raise


def _finish(cell: Cell) -> None:
    scenario = _scenario(cell)
    evaluation, policy, curve = _trained(scenario, methods_of(scenario)[cell.method].runs, cell)
    episodes = scenario.evaluation_episodes()
    seeds = range(cell.seed * episodes, (cell.seed + 1) * episodes)
    trajectory = rollout(evaluation, policy, seeds)
    own = range(cell.seed * EPISODES, (cell.seed + 1) * EPISODES)
    judged = gap(evaluation, policy, concept=scenario.concept(), seeds=own, budget=JUDGED)
    tables = [tabulate(trajectory, evaluation.agents, row) for row in range(episodes)]
    of_policy = {name: measure(evaluation, policy) for name, measure in scenario.policy_measures().items()}
    measured = _measured(scenario, evaluation, trajectory, told(scenario.objective(), judged) | of_policy)
    measured["paths"] = _paths(scenario, evaluation, policy)
    measured["certificate"] = {name: getattr(judged, name) for name in ("kind", "concept", "certifies", "confidence")}
    check_unchanged(cell.files)
    write_table(cell.folder / "steps.parquet", _joined(tables))
    write_json(cell.folder / "result.json", measured | {"curve": curve})


def _scenario(cell: Cell) -> AbstractScenario:
    """Return the scenario, which the cells of a run that one process finishes share: they need its solution once."""
    if not _made or _made[0][:2] != (cell.source, cell.files):
        _made[:] = [(cell.source, cell.files, cell.source.load())]
    return _made[0][2]


def _trained(scenario: AbstractScenario, runs: Runs, cell: Cell) -> tuple[AbstractGame[Any], Policy, list[Point]]:
    """Return the evaluation environment, what plays in it, and its learning curve."""
    if isinstance(runs, Design):
        import torch

        torch.set_num_threads(1)  # as learners do: one core a cell, and the same sums on every machine
        evaluation = runs.evaluation(cell.seed, cell.folder)
        return evaluation, Scripted(evaluation), []
    if isinstance(runs, Learner):
        return scenario.evaluation(), *_learned(scenario, runs, cell)
    return scenario.evaluation(), runs, []


def _learned(scenario: AbstractScenario, learner: Learner, cell: Cell) -> tuple[Policy, list[Point]]:
    """Advance from the last checkpoint on disk to the end; return the policy and its learning curve."""
    game = scenario.game()

    def point(trained: Trained) -> Point:
        told = _curve_point(scenario, game, trained)
        check_unchanged(cell.files)
        return told

    return advanced(learner, game, cell.seed, cell.folder, point)


def _curve_point(scenario: AbstractScenario, game: AbstractGame[Any], trained: Trained) -> Point:
    judged = gap(game, trained, concept=scenario.concept(), seeds=CURVE_SEEDS, budget=ON_THE_WAY)
    measured = {name: told(scenario.objective(), judged)[name] for name in ("reward", "relative_gap")}
    measured |= {name: measure(game, trained) for name, measure in scenario.curve_measures().items()}
    updates = max((len(told) for told in trained.diagnostics.values()), default=0)
    so_far = {"steps": trained.steps, "updates": updates}
    return so_far | {name: by_agent(game, values) for name, values in measured.items()}


def _measured(
    scenario: AbstractScenario, game: AbstractGame[Any], trajectory: Trajectory[Any], agents: dict[str, Floats]
) -> dict[str, Any]:
    """Return what is measured of agents and of the market, beside what is known of `agents`."""
    agents |= {name: measure(game, trajectory) for name, measure in scenario.agent_measures().items()}
    market = {name: measure(game, trajectory) for name, measure in scenario.market_measures().items()}
    return {"agents": {name: by_agent(game, values) for name, values in agents.items()}, "market": market}


def _paths(scenario: AbstractScenario, game: AbstractGame[Any], policy: Policy) -> dict[str, list[dict[str, float]]]:
    """Return what is measured of a policy period by period."""
    measures = scenario.path_measures()
    return {name: [by_agent(game, row) for row in measure(game, policy)] for name, measure in measures.items()}


def told(objective: Objective, judged: Gap) -> dict[str, Floats]:
    """Return reward and gap of each agent as they are shown, ``[N]`` each: what a deviation gains, and none exceeds."""
    parts = judged.value, judged.estimate, judged.upper
    value, gain, most = (objective.shown(part, judged.span) for part in parts)
    shares = {"relative_gap": judged.estimate / judged.scale, "relative_gap_upper": judged.relative.upper}
    return {"reward": value, "gap": gain, "gap_upper": most} | shares


def by_agent(game: AbstractGame[Any], values: Floats) -> dict[str, float]:
    """Return ``values [N]`` by the agents' names."""
    return dict(zip(game.agents, values.tolist(), strict=True))


def _joined(episodes: list[pd.DataFrame]) -> pd.DataFrame:
    """Return one table; of several episodes, with their numbers."""
    if len(episodes) == 1:
        return episodes[0]
    return pd.concat([table.assign(episode=k) for k, table in enumerate(episodes)], ignore_index=True)
