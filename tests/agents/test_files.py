from pathlib import Path

import pytest
import torch

from walras.agents.ppo.ippo import IPPO
from walras.agents.ppo.mappo import MAPPO, train
from walras.envs import CournotMarket

GAME = CournotMarket(horizon=4)


def test_files_that_hold_something_else_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "learner.pt"
    kind = "walras.agents.ppo.mappo.MAPPO"
    for content, message in (
        ({"kind": "mechanism"}, "hold what walras.*MAPPO learned; got .*learner.pt: mechanism"),
        ([1, 2], "hold what walras.*MAPPO learned; got .*learner.pt: list"),
        ({"kind": kind, "format": 1}, "hold a learner of format 2; got .*learner.pt: 1"),
        ({"kind": kind}, "hold a learner of format 2; got .*learner.pt: None"),
    ):
        torch.save(content, path)
        with pytest.raises(ValueError, match=f"`path` must {message}"):
            MAPPO().load(path, GAME)


def test_files_of_other_learners_and_games_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "learner.pt"
    train(GAME, steps=64, num_envs=4, rollout_steps=4).save(path)
    with pytest.raises(ValueError, match=r"`path` must hold what .*IPPO learned; got .*learner\.pt: .*MAPPO"):
        IPPO().load(path, GAME)
    with pytest.raises(ValueError, match=r"`path` must hold what was trained on this game, .*=5.*learner\.pt: .*=4"):
        MAPPO().load(path, CournotMarket(horizon=5))
    assert MAPPO().load(path, CournotMarket(horizon=4)).steps == 64


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        MAPPO().load(tmp_path, GAME)
