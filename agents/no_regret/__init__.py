"""Learners without regret: rules on payoff tensors, batched, and what becomes of their play."""
