"""Equilibria of payoff tensors, each checked by its regret before it is returned; the room imports no family."""
