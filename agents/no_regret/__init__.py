"""Learners without regret: rules on payoff tensors, batched, what becomes of their play, and records of regret."""

from walras.agents.no_regret.recorder import Record, RegretRecorder
from walras.agents.no_regret.self_play import NoRegret, TrainedPlay

__all__ = ["NoRegret", "Record", "RegretRecorder", "TrainedPlay"]
