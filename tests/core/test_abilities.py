from typing import Any

import pytest

from walras.core import AbstractGame, Scripted
from walras.core.abilities import Personal, Responsive, Scriptable
from walras.envs import CooperativeNavigation, CournotMarket, GridWorld, ResourceAllocation, TradingNetworkGame


def test_every_registered_game_has_a_scripted_rule(every_game: AbstractGame[Any]) -> None:
    assert isinstance(every_game, Scriptable)
    Scripted(every_game)


@pytest.mark.parametrize(
    ("ability", "having", "lacking"),
    [
        (Responsive, CournotMarket(), ResourceAllocation()),
        (Personal, GridWorld(), CournotMarket()),
        (Personal, CooperativeNavigation(), TradingNetworkGame()),
    ],
    ids=str,
)
def test_a_game_has_an_ability_if_it_has_its_members(ability: type, having: object, lacking: object) -> None:
    assert isinstance(having, ability)
    assert not isinstance(lacking, ability)
