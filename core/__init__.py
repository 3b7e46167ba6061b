"""The abstractions: games, shells, rollouts, policies, solutions."""
