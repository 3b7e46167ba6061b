import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from walras.agents.auctions.exponential_weights import ExponentialWeights
from walras.agents.auctions.sgd_ucb import SGDUCB
from walras.agents.imitation.behaviour_cloning import BehaviourCloning
from walras.agents.imitation.demonstrations import collect
from walras.agents.imitation.dm2 import DM2
from walras.agents.imitation.magail import MAGAIL
from walras.agents.imitation.pegmarl import PegMARL
from walras.agents.imitation.pofd import POfD
from walras.agents.matrix.q_pairs import QPairs
from walras.agents.no_regret.self_play import NoRegret
from walras.agents.ppo.ippo import IPPO
from walras.agents.ppo.mappo import MAPPO
from walras.agents.registration import LEARNERS
from walras.agents.sb3 import SB3, SharedSB3
from walras.agents.teams.mrpg import MRPG
from walras.agents.teams.rgda import RGDA
from walras.agents.teams.whole_horizon import WholeHorizon
from walras.core import AbstractGame, Learner
from walras.envs import (
    AutobiddingMarket,
    CournotMarket,
    GridWorld,
    RepeatedPricing,
    RobustTeamLQ,
    SealedBidAuction,
    TabularMarkovGame,
    TeamMeanFieldLQ,
)
from walras.equilibria import Budget
from walras.scenarios import AbstractScenario, Design, Measure, Source
from walras.scenarios.engine import cells, training
from walras.scenarios.engine.cells import Cell, _scenario, finish_cell  # pyright: ignore[reportPrivateUsage]
from walras.scenarios.engine.files import digest, read_json

MARKET, CROSSING = CournotMarket(horizon=4), GridWorld(map="1 . b\n2 . a", horizon=10)
SHOWN = partial(collect, quality=0.7, episodes=4)
PPO: dict[str, Any] = {"steps": 64, "checkpoints": 2, "num_envs": 4, "rollout_steps": 8, "hidden": (8,)}
BRIEF = Budget(samples=4, episodes=32, frames=2000)
"""What is asked here does not depend on how well cells are judged."""
QUICK = {"n_steps": 4, "batch_size": 64, "n_epochs": 1, "policy_kwargs": {"net_arch": [8]}}

CASES: dict[str, tuple[Learner, AbstractGame[Any]]] = {
    "SB3": (SB3("PPO", steps=256, checkpoints=2, hyperparameters=QUICK), MARKET),
    "SharedSB3": (SharedSB3("SAC", steps=128, checkpoints=2), MARKET),
    "MAPPO": (MAPPO(**PPO), MARKET),
    "IPPO": (IPPO(**PPO, play="greedy"), CROSSING),
    "PegMARL": (PegMARL(SHOWN, **PPO), CROSSING),
    "POfD": (POfD(SHOWN, **PPO), CROSSING),
    "MAGAIL": (MAGAIL(SHOWN, **PPO), CROSSING),
    "DM2": (DM2(SHOWN, **PPO), CROSSING),
    "BehaviourCloning": (BehaviourCloning(SHOWN, updates=5), CROSSING),
    "MRPG": (MRPG(iterations=2, checkpoints=2), TeamMeanFieldLQ.mild(size=4)),
    "RGDA": (RGDA(iterations=2, checkpoints=2), RobustTeamLQ.unstable(size=4)),
    "WholeHorizon": (WholeHorizon(updates=4, checkpoints=2), TeamMeanFieldLQ.mild(size=4)),
    "NoRegret": (NoRegret(steps=40, checkpoints=2), TabularMarkovGame()),
    "QPairs": (
        QPairs(beta=1e-3, sessions=2, stable=3000, limit=6000, checkpoints=2),
        RepeatedPricing(prices=4),
    ),
    "ExponentialWeights": (
        ExponentialWeights(steps=6, checkpoints=2, types=4, bids=5),
        SealedBidAuction(horizon=5),
    ),
    "SGDUCB": (SGDUCB(steps=60, checkpoints=2), AutobiddingMarket(horizon=10)),
}


@dataclass(frozen=True)
class Learning(AbstractScenario):
    """A learner of the table."""

    learner: str = "SB3"
    seeds: int = 1

    def game(self) -> AbstractGame[Any]:
        return CASES[self.learner][1]

    def methods(self) -> dict[str, Any]:
        return {"learned": CASES[self.learner][0]}

    def charts(self) -> dict[str, Any]:
        return {}


class Killed(BaseException):
    """The process dies here."""


def cell(name: str, folder: Path) -> Cell:
    return Cell(Source("learning", {"learner": name}, Learning), "learned", 3, folder, {})


def dying(at: int) -> Callable[[Path, object], None]:
    """`write_json` that dies after its `at`-th call."""
    calls, whole = [0], training.write_json

    def write(path: Path, content: object) -> None:
        whole(path, content)
        calls[0] += 1
        if calls[0] == at:
            raise Killed

    return write


def test_the_table_has_every_learner() -> None:
    assert set(CASES) == set(LEARNERS)


@pytest.mark.parametrize("name", CASES)
def test_a_learner_killed_at_a_checkpoint_ends_with_the_same_numbers(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cells, "JUDGED", BRIEF)
    monkeypatch.setattr(cells, "ON_THE_WAY", BRIEF)
    finish_cell(cell(name, tmp_path / "right"))
    count = 1 + CASES[name][0].checkpoints
    for at in range(1, count + 1):
        with monkeypatch.context() as patch:
            patch.setattr(training, "write_json", dying(at))
            with pytest.raises(Killed):
                finish_cell(cell(name, tmp_path / f"cut-{at}"))
        assert not cell(name, tmp_path / f"cut-{at}").done
        finish_cell(cell(name, tmp_path / f"cut-{at}"))
        for file in ("result.json", "steps.parquet"):
            assert digest(tmp_path / f"cut-{at}" / file) == digest(tmp_path / "right" / file), (at, file)
    result = read_json(tmp_path / "right" / "result.json")
    assert len(result["curve"]) == count
    assert sorted(path.name for path in (tmp_path / "right").glob("checkpoint-*")) == [f"checkpoint-{count - 1}"]


def test_a_call_of_exit_is_an_error_of_its_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measure = Measure(lambda game, trajectory: sys.exit(0), "wrong")
    monkeypatch.setattr(Learning, "methods", lambda self: {"learned": Design(lambda seed, folder: MARKET)})
    monkeypatch.setattr(Learning, "market_measures", lambda self: {"wrong": measure})
    with pytest.raises(RuntimeError, match=r"must not call `sys\.exit`") as error:
        finish_cell(cell("SB3", tmp_path))
    assert error.value.__notes__[0].startswith("cell learned-3 of learning; ")


def test_an_error_names_its_cell_and_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(game: Any, trajectory: Any) -> float:  # noqa: ANN401
        raise KeyError("prise")

    monkeypatch.setattr(Learning, "methods", lambda self: {"learned": Design(lambda seed, folder: MARKET)})
    monkeypatch.setattr(Learning, "market_measures", lambda self: {"wrong": Measure(wrong, "wrong")})
    with pytest.raises(KeyError, match="prise") as error:
        finish_cell(cell("SB3", tmp_path))
    (note,) = error.value.__notes__
    assert note.startswith("cell learned-3 of learning; ")
    assert f"{Path(__file__).name}, line " in note
    assert list(tmp_path.iterdir()) == []


def test_cells_share_the_scenario_of_their_own_source_alone(tmp_path: Path) -> None:
    def cell(seeds: int, seed: int) -> Cell:
        return Cell(Source("cournot", {"seeds": seeds}), "equilibrium", seed, tmp_path / f"equilibrium-{seed}", {})

    first = _scenario(cell(2, 0))
    assert _scenario(cell(2, 1)) is first
    assert _scenario(cell(3, 1)).seeds == 3  # of a run in the same folder, whose files were moved
