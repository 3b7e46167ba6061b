"""A policy maps what agents see to what they do. Scripted rules, learners and equilibria are all policies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast, final, runtime_checkable

import numpy as np
from gymnasium.spaces import Box, Discrete

from walras.core.abilities import Scriptable
from walras.core.checks import require
from walras.core.game import AbstractGame, Actions
from walras.core.typing import Floats


class Policy(Protocol):
    """What acts for all N agents of a game."""

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Return the actions ``[B, N, A]`` for ``observation [B, N, O]``; `rng` is the only source of chance."""
        ...


@final
@dataclass(frozen=True)
class Scripted:
    """The game's own scripted rule, of agents that do not act strategically: offers at marginal cost, true reports.

    Raises
    ------
    TypeError
        If the game has none.
    """

    game: AbstractGame[Any]

    def __post_init__(self) -> None:
        if not isinstance(self.game, Scriptable):
            raise TypeError(f"`game` must have a scripted rule, the method `scripted`; got {type(self.game).__name__}.")

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Return the rule's actions."""
        return cast(Scriptable, self.game).scripted(observation)

    def mixture(self, observation: Floats) -> tuple[Floats, Actions]:
        """Return the one action of each agent, with weight 1; see `Mixed`."""
        return pure(self.act(observation, np.random.default_rng(0)))


@final
@dataclass(frozen=True)
class Random:
    """Actions drawn evenly from the action space."""

    game: AbstractGame[Any]

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Draw one action an agent."""
        agents = observation.shape[:2]
        match self.game.action_space:
            case Box(low=low, high=high):
                return rng.uniform(low, high, (*agents, *low.shape))
            case Discrete(n=n, start=start):
                return rng.integers(start, start + n, agents)
            case space:
                raise TypeError(f"`game.action_space` must be a Box or a Discrete space; got {space!r}.")

    def moments(self, observation: Floats) -> tuple[Floats, Floats]:
        """Return the moments of even draws from a Box; see `Moments`.

        Raises
        ------
        TypeError
            If the action space is discrete.
        """
        space, shape = self.game.action_space, observation.shape[:2]
        if not isinstance(space, Box):
            raise TypeError(f"`game.action_space` must be a Box, where actions have moments; got {space!r}.")
        low, high = np.asarray(space.low, dtype=np.float64), np.asarray(space.high, dtype=np.float64)
        spread = np.diag((high - low) ** 2 / 12)
        return np.broadcast_to((low + high) / 2, (*shape, *low.shape)), np.broadcast_to(spread, (*shape, *spread.shape))

    @property
    def independent(self) -> bool:
        """Agents draw independently."""
        return True


@final
@dataclass(frozen=True, eq=False)
class Constant:
    """The same actions in every state, such as a static equilibrium."""

    action: Actions  # [N, A]

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Repeat the actions over the batch."""
        return np.broadcast_to(self.action, (len(observation), *self.action.shape)).copy()

    def mixture(self, observation: Floats) -> tuple[Floats, Actions]:
        """Return the one action of each agent, with weight 1; see `Mixed`."""
        return pure(self.act(observation, np.random.default_rng(0)))


@runtime_checkable
class Mixed(Protocol):
    """A policy that declares its law, so that its gap can be exact: agents draw independently, of J actions each."""

    def mixture(self, observation: Floats) -> tuple[Floats, Actions]:
        """Return weights ``[B, N, J]`` and actions ``[B, N, J, ...]`` for ``observation [B, N, O]``."""
        ...


@runtime_checkable
class Affine(Protocol):
    """A policy that declares that it is affine in what agents see, up to noise.

    An agent that sees o, whose last entry is the clock, does ``gains @ o[:-1] + offsets``, and noise of mean zero that
    is independent over agents and steps.
    """

    def affine(self, t: int) -> tuple[Floats, Floats, Floats]:
        """Return gains ``[K, A, O - 1]``, offsets ``[K, A]`` and the noise's covariances ``[K, A, A]`` at step t.

        K is the number of agents N, or divides it: then an entry holds for N / K agents that follow each other, such as
        those of a team.
        """
        ...


@runtime_checkable
class Moments(Protocol):
    """A policy that declares the first two moments of its law; agents draw independently."""

    def moments(self, observation: Floats) -> tuple[Floats, Floats]:
        """Return means ``[B, N, A]`` and covariances ``[B, N, A, A]`` for ``observation [B, N, O]``."""
        ...


@runtime_checkable
class Timed(Protocol):
    """A policy that knows the step of the episode: `rollout` and the shells call it by `act_at`."""

    def act_at(self, observation: Floats, step: int, rng: np.random.Generator) -> Actions:
        """Return the actions ``[B, N, A]`` at a step of the episode, counted from 0."""
        ...


@runtime_checkable
class Declaring(Protocol):
    """A policy that another one stands for: it acts alike and may declare its law, see `Mixed` and `Moments`."""

    @property
    def declared(self) -> Policy:
        """The policy that declares what this one does; itself where it declares nothing."""
        ...


@final
@dataclass(frozen=True, eq=False)
class Profile:
    """Each agent plays by a policy of its own: cross-play, and mixed profiles.

    A policy acts for all agents and is asked for one. Agents draw independently.

    Raises
    ------
    ValueError
        If there is no policy.
    """

    policies: Mapping[str, Policy]
    """By agent, in the order of the game's agents."""

    def __post_init__(self) -> None:
        require(len(self.policies) > 0, "policies", "hold a policy for each agent", self.policies)

    @property
    def independent(self) -> bool:
        """Agents draw independently."""
        return True

    def of(self, agents: Sequence[str]) -> "Profile":
        """Return the profile in the order of a game's agents.

        Raises
        ------
        ValueError
            If an agent has no policy, or a policy no agent.
        """
        if set(agents) != set(self.policies):
            missing, unknown = sorted(set(agents) - set(self.policies)), sorted(set(self.policies) - set(agents))
            raise ValueError(f"`policies` must hold one policy an agent; missing {missing}, unknown {unknown}.")
        return Profile({agent: self.policies[agent] for agent in agents})

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Return each agent's action by its own policy."""
        draws = rng.spawn(len(self.policies))
        acted = [policy.act(observation, own) for policy, own in zip(self.policies.values(), draws, strict=True)]
        return np.stack([action[:, i] for i, action in enumerate(acted)], axis=1)


def act_at(policy: Policy, observation: Floats, step: int, rng: np.random.Generator) -> Actions:
    """Return the actions ``[B, N, A]`` of a policy at a step of the episode, which it may know; see `Timed`."""
    return policy.act_at(observation, step, rng) if isinstance(policy, Timed) else policy.act(observation, rng)


def check_policy(policy: object) -> None:
    """Refuse what is no policy, before it is asked for an action.

    Raises
    ------
    TypeError
        If it is none; a model of Stable-Baselines3 is named with what makes a policy of it.
    """
    if callable(getattr(policy, "act", None)):
        return
    hint = ""
    if callable(getattr(policy, "predict", None)):
        hint = "; `walras.agents.sb3.ModelPolicy((model,))` makes a policy of a model of Stable-Baselines3"
    raise TypeError(f"`policy` must have the method `act(observation, rng)`; got {type(policy).__name__}{hint}.")


def pure(action: Actions) -> tuple[Floats, Actions]:
    """Return actions ``[B, N, ...]`` as a mixture of one, with weight 1; see `Mixed`."""
    return np.ones((*action.shape[:2], 1)), action[:, :, None]
