from typing import Any

import numpy as np
import pytest
from stable_baselines3 import PPO

from walras.agents.sb3 import ModelPolicy, vec_env
from walras.core import FlatVector, SingleAgent, Vector, rollout
from walras.envs import CournotMarket
from walras.equilibria import gap

GAME = CournotMarket(horizon=3)
SEEN = Vector(GAME, 2).reset(0)
RNG = np.random.default_rng(0)


def model(env: Any, seed: int) -> PPO:  # noqa: ANN401
    return PPO("MlpPolicy", env, n_steps=8, batch_size=8, seed=seed, device="cpu")


def test_one_model_acts_for_all_agents_in_the_games_units() -> None:
    one = model(vec_env(FlatVector(GAME, 2)), 0)
    action = ModelPolicy((one,)).act(SEEN, RNG)
    assert action.shape == (2, 3, 1)
    np.testing.assert_allclose(action[1, 2], one.predict(SEEN[1, 2], deterministic=True)[0], rtol=1e-5)


def test_models_of_single_agents_act_for_their_agents() -> None:
    models = tuple(model(SingleAgent(GAME, agent), seed) for seed, agent in enumerate(GAME.agents))
    action = ModelPolicy(models).act(SEEN, RNG)
    for agent, own in enumerate(models):
        np.testing.assert_allclose(action[:, agent], own.predict(SEEN[:, agent], deterministic=True)[0], rtol=1e-5)


def test_its_gap_is_that_of_a_policy_without_chance() -> None:
    policy = ModelPolicy((model(vec_env(FlatVector(GAME, 2)), 0),))
    weights, atoms = policy.mixture(SEEN)
    assert weights.tolist() == [[[1.0]] * 3] * 2
    assert np.array_equal(atoms[:, :, 0], policy.act(SEEN, RNG))
    assert (gap(GAME, policy, seeds=range(32)).lower > 0).all()


def test_a_wrong_number_of_models_is_refused() -> None:
    one = model(vec_env(FlatVector(GAME, 2)), 0)
    with pytest.raises(ValueError, match="`models` must be 1 or 3, one an agent; got 2"):
        ModelPolicy((one, one)).act(SEEN, RNG)
    with pytest.raises(ValueError, match="`models` must hold a model"):
        ModelPolicy(())


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(TypeError, match="`models` must be models of Stable-Baselines3; got str"):
        ModelPolicy(("PPO",))  # type: ignore[arg-type]


def test_a_model_in_the_place_of_a_policy_is_refused_with_what_makes_one() -> None:
    one: Any = model(vec_env(FlatVector(GAME, 2)), 0)
    with pytest.raises(TypeError, match=r"`policy` must have the method `act.*got PPO; `walras\.agents\.sb3\.ModelPol"):
        rollout(GAME, one, [0])
