"""Stable-Baselines3 on every game: independent learners, or one policy that all agents share."""

from walras.agents.sb3.learners import ALGORITHMS, DEFAULTS, ROWS, Learned, load, train, train_shared

__all__ = ["ALGORITHMS", "DEFAULTS", "ROWS", "Learned", "load", "train", "train_shared"]
