"""Settings of proximal policy optimisation that MAPPO, IPPO and the learners that demonstrations guide share."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from walras.core.checks import require, require_known, require_numbers, require_whole
from walras.core.learner import check_budget

SHARING = ("shared", "separate")

PAPER = MappingProxyType[str, Any](
    {
        "num_envs": 32,
        "rollout_steps": 128,
        "epochs": 4,
        "minibatches": 4,
        "learning_rate": 1e-4,
        "entropy": 0.01,
        "gae_lambda": 1.0,
        "discount": 0.99,
        "hidden": (64,),
        "output_gain": 5 / 3,
        "units": "raw",
    }
)
"""Of the learner of the grid worlds of P. Yu et al., arXiv 2403.08936, as their code has it."""


@dataclass(frozen=True, kw_only=True)
class AbstractSettings:
    """The defaults serve games in EUR and MW.

    Raises
    ------
    ValueError
        If a number lies outside its range, `minibatches` does not divide the rollout, or a name is unknown.
    """

    steps: int = 1_000_000  # budget in environment steps, rounded up to whole rollouts
    checkpoints: int = 10  # at most one a rollout
    play: str = "usual"  # what was learned draws indices and takes the mean of a Box; or always "sampled", or "greedy"
    num_envs: int = 32  # concurrent games
    rollout_steps: int = 32  # of each in a rollout
    epochs: int = 5  # passes over a rollout
    minibatches: int = 4  # in each
    learning_rate: float = 1e-3  # of Adam
    clip: float = 0.2  # epsilon: how far likelihoods may move
    entropy: float = 0.0  # c_H
    value_weight: float = 0.5  # c_V
    gae_lambda: float = 0.95
    discount: float | None = None  # the game's by default
    hidden: tuple[int, ...] = (64, 64)  # tanh units of each network's hidden layers
    output_gain: float = 0.01  # of the first weights of each network's last layer
    log_std: float = -1.0  # of Box actions at first, on the scale on which the box is [-1, 1]
    units: str = "scaled"  # observations by their bounds, rewards by their std under random play; or "raw"
    actors: str = "separate"  # one an agent, or "shared"
    critics: str = "separate"  # one an agent, "shared", or "averaged": one an agent, set to their mean after a rollout
    critic_input: str = "joint"  # all agents' observations, or the agent's "own"

    def __post_init__(self) -> None:
        require_numbers(self)
        check_budget(self.steps, self.checkpoints)
        for name in ("num_envs", "rollout_steps", "epochs", "minibatches"):
            require_whole(getattr(self, name), name)
        for name in ("learning_rate", "clip", "output_gain"):
            require(0 < getattr(self, name) < np.inf, name, "be positive and finite", getattr(self, name))
        for name in ("entropy", "value_weight"):
            require(0 <= getattr(self, name) < np.inf, name, "be finite and not negative", getattr(self, name))
        require(0 <= self.gae_lambda <= 1, "gae_lambda", "lie in [0, 1]", self.gae_lambda)
        require(self.discount is None or 0 <= self.discount <= 1, "discount", "lie in [0, 1]", self.discount)
        require(bool(np.isfinite(self.log_std)), "log_std", "be finite", self.log_std)
        require(all(size >= 1 for size in self.hidden), "hidden", "hold positive numbers", self.hidden)
        whole = self.steps_per_rollout % self.minibatches == 0
        require(whole, "minibatches", f"divide the {self.steps_per_rollout} steps of a rollout", self.minibatches)
        require_known(self.play, "play", ("usual", "sampled", "greedy"))
        require_known(self.units, "units", ("raw", "scaled"))
        require_known(self.actors, "actors", SHARING)
        require_known(self.critics, "critics", (*SHARING, "averaged"))
        require_known(self.critic_input, "critic_input", ("joint", "own"))

    @property
    def steps_per_rollout(self) -> int:
        """Environment steps from which it learns at once."""
        return self.num_envs * self.rollout_steps
