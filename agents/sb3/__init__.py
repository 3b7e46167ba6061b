"""Stable-Baselines3 on every game: independent learners, or one policy that all agents share."""

from walras.agents.sb3.learners import (
    ACTIONS,
    ALGORITHMS,
    DEFAULTS,
    NUM_ENVS,
    SB3,
    SharedSB3,
    Trained,
    chunk_seed,
    train,
    train_shared,
)
from walras.agents.sb3.policies import ModelPolicy
from walras.agents.sb3.rows import vec_env

__all__ = [
    "ACTIONS",
    "ALGORITHMS",
    "DEFAULTS",
    "NUM_ENVS",
    "SB3",
    "ModelPolicy",
    "SharedSB3",
    "Trained",
    "chunk_seed",
    "train",
    "train_shared",
    "vec_env",
]
