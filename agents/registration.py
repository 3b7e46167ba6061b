"""The names of `walras.agents`, one line each: strings; nothing is imported yet."""

from walras.core.lazy import joined

LEARNERS = {
    "BehaviourCloning": "imitation.behaviour_cloning",
    "DM2": "imitation.dm2",
    "ExponentialWeights": "auctions.exponential_weights",
    "IPPO": "ppo.ippo",
    "MAGAIL": "imitation.magail",
    "MAPPO": "ppo.mappo",
    "MRPG": "teams.mrpg",
    "NoRegret": "no_regret.self_play",
    "POfD": "imitation.pofd",
    "PegMARL": "imitation.pegmarl",
    "QPairs": "matrix.q_pairs",
    "RGDA": "teams.rgda",
    "SB3": "sb3",
    "SGDUCB": "auctions.sgd_ucb",
    "SharedSB3": "sb3",
    "WholeHorizon": "teams.whole_horizon",
}
"""Learners, and their modules; a module can also be had by the last part of its name, as `walras.agents.mappo`."""

POLICIES = {
    "BestResponse": "best_response",
    "ZeroIntelligence": "trading.zero_intelligence",
}
"""Policies that are rules, and their modules; likewise."""

MODULES = {
    "demonstration_formats": "imitation.demonstration_formats",
    "demonstrations": "imitation.demonstrations",
    "discriminators": "imitation.discriminators",
    "guided": "imitation.guided",
}
"""Short names of further modules, and where they are."""


def places() -> dict[str, str]:
    """Return all names, and where in `walras.agents` each is, as `walras.core.lazy.lazy` takes them."""
    named = LEARNERS | POLICIES
    short = {module.rpartition(".")[2]: module for module in named.values()}
    return joined(short, MODULES, {name: f"{module}:{name}" for name, module in named.items()})
