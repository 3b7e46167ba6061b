"""Proximal policy optimisation of all agents at once: MAPPO and IPPO, their networks and rollouts."""
