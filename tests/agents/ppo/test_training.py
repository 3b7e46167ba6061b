from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from walras.agents.ppo.mappo import MAPPO, train
from walras.agents.ppo.training import Batch, loss, terms, told
from walras.core import AbstractGame
from walras.envs import (
    CooperativeNavigation,
    CournotMarket,
    GridWorld,
    MeanFieldLimitLQ,
    RobustTeamLQ,
    TeamMeanFieldLQ,
)

MARKET = CournotMarket(horizon=5)
TINY: dict[str, Any] = {
    "steps": 160, "num_envs": 4, "rollout_steps": 8, "epochs": 2, "minibatches": 2, "hidden": (8,),
}  # fmt: skip
RATIO, GAINS = torch.tensor([[1.5, 0.5, 1.5, 0.5]]), torch.tensor([[2.0, 2.0, -1.0, -1.0]])


def test_the_loss_follows_gains_until_the_clip_and_losses_beyond_it() -> None:
    zero = torch.zeros(1, 4)
    batch = Batch(zero, zero, zero, zero, GAINS, zero + 3)
    found = loss(MAPPO(clip=0.2, value_weight=0.5, entropy=0.1), terms(0.2, batch, RATIO.log(), zero + 0.7, zero + 1))
    # Gains: 1.2 * 2, 0.5 * 2, 1.5 * -1, 0.8 * -1; values are off by 2; entropies are 0.7.
    assert found.item() == pytest.approx(-(2.4 + 1.0 - 1.5 - 0.8) / 4 + 0.5 * 4 - 0.1 * 0.7)


def test_diagnostics_are_what_they_are_said_to_be() -> None:
    zero = torch.zeros(1, 4)
    batch = Batch(zero, zero, zero, zero, GAINS, zero + 3)
    found = told(0.4, terms(0.4, batch, RATIO.log(), zero + 0.7, zero + 1))
    kl = (2 * (0.5 - np.log(1.5)) + 2 * (-0.5 - np.log(0.5))) / 4
    np.testing.assert_allclose(found[:, 0], [-(2.8 + 1.0 - 1.5 - 0.6) / 4, 4.0, 0.7, kl, 1.0], rtol=1e-6)
    assert told(0.6, terms(0.6, batch, RATIO.log(), zero, zero))[4] == 0.0


def test_diagnostics_are_kept_for_each_rollout_and_agent() -> None:
    found = train(MARKET, **TINY).diagnostics
    assert list(found) == [
        "policy_loss", "value_loss", "entropy", "approx_kl", "clip_fraction", "explained_variance",
    ]  # fmt: skip
    assert all(values.shape == (5, 3) and np.isfinite(values).all() for values in found.values())
    assert ((found["clip_fraction"] >= 0) & (found["clip_fraction"] <= 1)).all()
    assert (found["approx_kl"] > 0).all()
    assert (found["explained_variance"] <= 1).all()


def test_variance_that_is_not_there_is_not_explained() -> None:
    training = train(MARKET, **TINY, discount=0.0).training
    played, drawn, _ = training.play.collect(training.actor.policy(), 8)
    _, explained = training._batch(played, drawn, torch.zeros_like(played.reward))
    assert explained.isnan().all()


@pytest.mark.parametrize(
    ("game", "worth"),
    [
        (GridWorld("1 . . . . . . . . . a"), 0.0),
        (CooperativeNavigation.with_wall(), 0.0),
        (TeamMeanFieldLQ(size=2), 0.0),
        (MeanFieldLimitLQ(), 0.0),
        (RobustTeamLQ(size=2), 0.0),
        (CooperativeNavigation.simple_spread(), 7.0),
    ],
    ids=lambda value: type(value).__name__,
)
def test_with_a_critic_that_says_seven_the_last_target_is_the_reward_alone_if_the_horizon_is_a_rule(
    game: AbstractGame[Any], worth: float
) -> None:
    game = replace(game, horizon=8)  # type: ignore[type-var] - every game is a dataclass
    training = train(game, **TINY).training
    training.critic = lambda seen: torch.full((*seen.shape[:2], 1), 7.0).expand(len(game.agents), -1, 1)  # type: ignore[assignment]
    played, drawn, _ = training.play.collect(training.actor.policy(), 8)
    batch, _ = training._batch(played, drawn, played.reward)
    target = batch.target.reshape(len(game.agents), 8, 4)
    assert (played.truncated if worth else played.terminated)[-1].all()
    expected = played.reward[-1].T + game.discount * worth
    np.testing.assert_allclose(target[:, -1], expected, rtol=1e-5, atol=1e-5)
