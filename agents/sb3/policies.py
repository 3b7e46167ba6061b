"""Models of Stable-Baselines3 as policies."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast, final

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm

from walras.core.checks import require
from walras.core.game import Actions
from walras.core.policy import pure
from walras.core.typing import Floats


@final
@dataclass(frozen=True, eq=False)
class ModelPolicy:
    """Models that were trained elsewhere, on a shell of a game, as a policy of all agents.

    They see and act in the game's own units, and act without exploration.

    Raises
    ------
    TypeError
        If something in `models` is no model of Stable-Baselines3.
    ValueError
        If `models` is empty or, while acting, holds neither one model nor one an agent.

    Examples
    --------
    >>> from stable_baselines3 import PPO
    >>> from walras.agents import sb3
    >>> from walras.core import FlatVector, rollout
    >>> from walras.envs import CournotMarket
    >>> game = CournotMarket()
    >>> model = PPO("MlpPolicy", sb3.vec_env(FlatVector(game, 4)), n_steps=16, device="cpu").learn(192)
    >>> rollout(game, sb3.ModelPolicy((model,)), [0]).total.shape
    (1, 3)
    """

    models: Sequence[BaseAlgorithm]  # one for all agents, or one an agent

    def __post_init__(self) -> None:
        require(len(self.models) > 0, "models", "hold a model", self.models)
        for model in cast(Sequence[object], self.models):
            if not isinstance(model, BaseAlgorithm):
                raise TypeError(f"`models` must be models of Stable-Baselines3; got {type(model).__name__}.")

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Return the models' actions, ``[B, N, A]``."""
        count = len(self.models)
        require(count in (1, observation.shape[1]), "models", f"be 1 or {observation.shape[1]}, one an agent", count)
        return predicted(self.models, observation)

    def mixture(self, observation: Floats) -> tuple[Floats, Actions]:
        """Return the one action of each agent, with weight 1; see `walras.core.policy.Mixed`."""
        return pure(self.act(observation, np.random.default_rng(0)))


def predicted(models: Sequence[BaseAlgorithm], seen: Any) -> Any:  # noqa: ANN401 - arrays of any precision
    """Return the actions ``[B, N, ...]`` of one model for all agents, or of one an agent, that see ``[B, N, O]``."""
    if len(models) > 1:
        return np.stack([model.predict(seen[:, i], deterministic=True)[0] for i, model in enumerate(models)], axis=1)
    rows, agents = seen.shape[:2]
    flat, _ = models[0].predict(seen.reshape(rows * agents, -1), deterministic=True)
    return flat.reshape(rows, agents, *flat.shape[1:])
