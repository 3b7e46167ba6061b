import numpy as np
import pytest

from walras.core import Constant, Scripted, rollout
from walras.envs import NetworkCournotMarket
from walras.scenarios.electricity import network_measures as measures


def test_the_equilibrium_of_the_default_market_has_its_rent_and_its_lost_welfare() -> None:
    # 65 MWh at 35 and 112 MWh at 64; 10 MW over a price difference of 29.
    game = NetworkCournotMarket(horizon=2)
    played = rollout(game, Constant(np.array([[75.0], [102.0]])), (0,))
    assert measures.load_price(game, played) == pytest.approx((65 * 35 + 112 * 64) / 177)
    assert measures.congestion_rent(game, played) == pytest.approx(290.0)
    # Price takers sell at 10 and 30: from 65 MWh to 90, less the line's 10 MW, and from 112 MWh to 180.
    lost = 25**2 / 2 + 0.5 * 68**2 / 2
    assert measures.network_welfare_loss(game, played) == pytest.approx(lost)
    assert measures.network_welfare_loss(game, rollout(game, Scripted(game), (0,))) == pytest.approx(0, abs=1e-6)
