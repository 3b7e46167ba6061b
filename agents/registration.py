"""The names of `walras.agents`, one line each: strings; nothing is imported yet."""

MODULES = {
    "behaviour_cloning": "imitation.behaviour_cloning",
    "demonstration_formats": "imitation.demonstration_formats",
    "demonstrations": "imitation.demonstrations",
    "discriminators": "imitation.discriminators",
    "dm2": "imitation.dm2",
    "guided": "imitation.guided",
    "ippo": "ppo.ippo",
    "magail": "imitation.magail",
    "mappo": "ppo.mappo",
    "mrpg": "teams.mrpg",
    "pegmarl": "imitation.pegmarl",
    "pofd": "imitation.pofd",
    "rgda": "teams.rgda",
    "sb3": "sb3",
    "whole_horizon": "teams.whole_horizon",
    "zero_intelligence": "trading.zero_intelligence",
}
"""Short names of modules, and where they are."""

POLICIES = {
    "BestResponse": "best_response",
    "ZeroIntelligence": "trading.zero_intelligence",
}
"""Policies that are rules, and their modules."""
