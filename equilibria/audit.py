"""What a gap is asked for, and what every method of judging needs: plays, laws of actions, checks of a policy."""

from collections.abc import Sequence
from copy import Error, deepcopy
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast, final

import numpy as np
from gymnasium.spaces import Box

from walras.core.checks import require, require_known
from walras.core.concept import Concept
from walras.core.episodes import Episodes
from walras.core.game import AbstractGame, Actions
from walras.core.policy import Declaring, Mixed, Moments, Policy, Random, Timed, act_at, check_policy
from walras.core.rollout import Trajectory, rollout
from walras.core.typing import Floats
from walras.equilibria.certificate import Budget, Gap, Kind

MOST_ATOMS = 4096
"""Joint actions up to which a mixture is enumerated."""
CHECKED = 4096
"""Steps that are played to see whether a policy acts as it declares."""
ASKED = 1024
"""Observations at which a policy that declares its law is asked again."""
LEAST_ASKED, MOST_ASKED = 8, 48
"""Steps in which a policy is asked whether it has a memory, over more episodes where they are shorter."""
ERRORS = 6.0
"""Standard errors by which a mean may differ from the declared one."""


@final
@dataclass(frozen=True)
class Audit:
    """A question about a policy; see `walras.equilibria.gap.gap` for the fields.

    Raises
    ------
    TypeError
        If `seeds` is no sequence of integers.
    ValueError
        If it is empty, `confidence` lies outside (0, 1), or a name is unknown.
    """

    concept: Concept = Concept.NASH
    seeds: tuple[int, ...] = tuple(range(64))
    budget: Budget = field(default_factory=Budget)
    confidence: float = 0.95
    deviators: str = "observation"
    device: str = "joint"

    def __post_init__(self) -> None:
        given = cast(object, self.seeds)  # what a caller passes
        if isinstance(given, str) or not isinstance(given, Sequence):
            raise TypeError(f"`seeds` must be a sequence of integers, one an episode; got {self.seeds!r}.")
        object.__setattr__(self, "seeds", tuple(int(seed) for seed in self.seeds))
        require(len(self.seeds) > 0, "seeds", "hold at least one seed", self.seeds)
        require(0 < self.confidence < 1, "confidence", "lie in (0, 1)", self.confidence)
        require_known(self.concept, "concept", [str(concept) for concept in Concept])
        object.__setattr__(self, "concept", Concept(self.concept))
        require_known(self.deviators, "deviators", ("observation", "history"))
        require_known(self.device, "device", ("joint", "product"))

    def rng(self, *stream: int) -> np.random.Generator:
        """Return the chance of one part of the audit; it follows from the seeds."""
        return np.random.default_rng([len(self.seeds), *self.seeds, *stream])

    def fresh(self, stream: int, count: int | None = None) -> list[int]:
        """Return seeds of episodes that are not those of the audit, nor of another stream."""
        draws = np.random.SeedSequence([*self.seeds, 7919, stream]).generate_state(count or len(self.seeds))
        return [int(seed) + 2**33 for seed in draws]


@final
@dataclass(frozen=True, eq=False)
class Checked:
    """A policy whose actions are checked for shape and NaN, and cut to the action space.

    Raises
    ------
    ValueError
        While acting, if an action has another shape or holds NaN; the agent is named.
    """

    game: AbstractGame[Any]
    policy: Policy

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Return the policy's actions inside the space, as at the first step."""
        return self.act_at(observation, 0, rng)

    def act_at(self, observation: Floats, step: int, rng: np.random.Generator) -> Actions:
        """Return the policy's actions inside the space at a step."""
        action = np.asarray(act_at(self.policy, observation, step, rng))
        wanted = (*observation.shape[:2], *(self.game.action_space.shape or ()))
        require(action.shape == wanted, "policy", f"return actions of shape {wanted}", action.shape)
        if action.dtype.kind == "f" and np.isnan(action).any():
            agent = self.game.agents[int(np.argwhere(np.isnan(action))[0][1])]
            raise ValueError(f"`policy` must return numbers; got NaN from {agent}.")
        return inside(self.game, action)


@final
@dataclass(frozen=True, eq=False)
class Product:
    """A policy whose agents draw each with a generator of its own, whatever device it is."""

    policy: Policy

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Act as at the first step."""
        return self.act_at(observation, 0, rng)

    def act_at(self, observation: Floats, step: int, rng: np.random.Generator) -> Actions:
        """Take each agent's column from a call of its own."""
        each = [act_at(self.policy, observation, step, own) for own in rng.spawn(observation.shape[1])]
        return np.stack([action[:, i] for i, action in enumerate(each)], axis=1)


class Ends(NamedTuple):
    """Both ends of a gap and what is attained, ``[N]`` each."""

    lower: Floats
    upper: Floats
    estimate: Floats


def certificate(
    game: AbstractGame[Any],
    policy: Policy,
    audit: Audit,
    ends: Ends,
    value: Floats,
    kind: Kind,
    method: str | tuple[str, ...],
    **more: Any,  # noqa: ANN401 - further fields of `Gap`
) -> Gap:
    """Return the gap that an audit found, with all that the question fixes; ends are cut at zero here, once."""
    from walras.equilibria.scale import stakes

    agents = len(game.agents)
    return Gap(
        agents=tuple(game.agents),
        lower=np.maximum(ends.lower, 0.0),
        upper=np.maximum(ends.upper, 0.0),
        estimate=np.maximum(ends.estimate, 0.0),
        value=value,
        scale=stakes(game),
        unit=game.unit,
        kind=kind,
        method=(method,) * agents if isinstance(method, str) else method,
        concept=audit.concept,
        horizon=game.horizon,
        discount=game.discount if game.endless else None,
        seeds=audit.seeds,
        budget=audit.budget,
        confidence=None if kind is Kind.EXACT else audit.confidence,
        deviators=audit.deviators,
        device=audit.device,
        independent=independent(policy),
        **more,
    )


def exactly(gain: Floats) -> Ends:
    """Return a gap that is known."""
    return Ends(gain, gain, gain)


class Law(NamedTuple):
    """What agents may do in M states: S joint actions each, with weights."""

    action: Actions  # [M, S, N, ...]
    weight: Floats  # [M, S]
    exact: bool  # whether it is the policy's declared law, and no sample of it


def judged_policy(game: AbstractGame[Any], policy: Policy, device: str) -> Policy:
    """Return the policy as it is judged: checked, and with independent draws where the device is a product.

    Raises
    ------
    TypeError
        If it has no method `act`.
    """
    check_policy(policy)
    return Checked(game, Product(policy) if device == "product" else policy)


def declared(policy: Policy) -> Policy:
    """Return the policy that was wrapped, or that it declares itself to be, which may declare its law."""
    while isinstance(policy, Checked | Product):
        policy = policy.policy
    return policy.declared if isinstance(policy, Declaring) else policy


def copied(policy: Policy) -> Policy:
    """Return a copy of a policy, or itself where Python cannot copy it, as some tensors."""
    try:
        return deepcopy(policy)
    except (RuntimeError, TypeError, Error):
        return policy


def draws_nothing(policy: Policy, observation: Floats) -> bool:
    """Return whether two generators lead to the same actions ``[B, N, ...]``, in at least 256 rows."""
    many = np.concatenate([observation] * -(-256 // len(observation)))
    first, second = (policy.act(many.copy(), np.random.default_rng(seed)) for seed in (0, 1))
    return bool(np.array_equal(first, second))


@final
@dataclass(frozen=True, eq=False)
class Undeclared:
    """A policy that does not act as it declares, and is judged by what it does."""

    policy: Policy

    def act(self, observation: Floats, rng: np.random.Generator) -> Actions:
        """Return the policy's actions."""
        return self.policy.act(observation, rng)


def kept(game: AbstractGame[Any], policy: Policy, device: str, seeds: Sequence[int]) -> tuple[Policy, str]:
    """Return a policy, without its mixture or moments if it does not act by them where it goes, and why."""
    judged = judged_policy(game, policy, device)
    if isinstance(policy, Timed) or not _declares(game, declared(judged)):
        return policy, ""
    played = rollout(game, copied(judged), _many(game, seeds))
    seen, taken = played.observation[played.alive], played.action[played.alive]
    why = broken(game, judged, seen, np.random.default_rng([len(seeds), *seeds]), taken)
    return (policy, "") if why is None else (Undeclared(policy), f"; the declaration is not kept ({why})")


def _many(game: AbstractGame[Any], seeds: Sequence[int]) -> list[int]:
    """Return seeds, and more of them where episodes are short."""
    more = min(CHECKED // game.horizon, CHECKED // 16) - len(seeds)
    extra = np.random.SeedSequence([*seeds, 104729]).generate_state(max(more, 0))
    return [*seeds, *(int(seed) + 2**33 for seed in extra)]


def broken(
    game: AbstractGame[Any],
    policy: Policy,
    observation: Floats,
    rng: np.random.Generator,
    taken: Actions | None = None,
) -> str | None:
    """Return why a policy does not draw by the mixture or the moments that it declares, or none.

    Parameters
    ----------
    game : AbstractGame
        Names the agents.
    policy : Policy
        Acts by what agents see alone.
    observation : array
        ``[M, N, O]``, where it is asked.
    rng : numpy.random.Generator
        Chance of the draws.
    taken : array, optional
        ``[M, N, ...]``, what it did there in play.
    """
    if not _declares(game, declared(policy)):
        return None
    if taken is not None:
        why = _strays(game, policy, observation, [taken])
        if why is not None:
            return why
    asked = observation[rng.permutation(len(observation))[:ASKED]]
    return _strays(game, policy, asked, [policy.act(asked.copy(), rng) for _ in range(-(-ASKED // len(asked)) + 1)])


def _declares(game: AbstractGame[Any], own: Policy) -> bool:
    """Return whether a policy declares a mixture, or moments of actions in a box."""
    return isinstance(own, Mixed) or (isinstance(own, Moments) and isinstance(game.action_space, Box))


def _strays(game: AbstractGame[Any], policy: Policy, observation: Floats, draws: list[Actions]) -> str | None:
    """Return how R draws ``[M, N, ...]`` differ from what is declared at ``observation [M, N, O]``, or none."""
    own, shape = declared(policy), (len(draws), *observation.shape[:2], -1)
    action = np.stack(draws).reshape(shape).astype(np.float64)
    if isinstance(own, Mixed):
        weight, atoms = own.mixture(observation)
        atoms = inside(game, atoms).reshape(*weight.shape, -1).astype(np.float64)
        size = 1e-5 * (1 + np.abs(atoms).max())
        known = ((np.abs(action[:, :, :, None] - atoms) <= size).all(axis=-1) & (weight > 0)).any(axis=-1)
        if not known.all():
            return f"{game.agents[int(np.argwhere(~known)[0][2])]} takes an action to which it gives no chance"
        mean = np.einsum("mnj,mnjd->mnd", weight, atoms)
        away = np.abs(atoms - mean[:, :, None]) * (weight > 0)[..., None]
        variance, fourth = (np.einsum("mnj,mnjd->mnd", weight, away**power) for power in (2, 4))
        reach = away.max(axis=2)  # [M, N, D]
    else:
        assert isinstance(own, Moments)
        size = 1e-5 * (1 + np.abs(action).max())
        mean, covariance = own.moments(observation)
        variance = np.diagonal(covariance, axis1=-2, axis2=-1)
        fourth, reach = 3 * variance**2, np.zeros_like(variance)  # normal
    apart, count = action - mean, len(draws)
    rounding, furthest = len(mean) * count * size, reach.max(axis=0)
    if _differs(apart.sum(axis=(0, 1)), count * variance.sum(axis=0), rounding, furthest):
        return "the mean of its actions is not the declared one"
    noise = count * np.maximum(fourth - variance**2, 0.0).sum(axis=0)
    if _differs((apart**2 - variance).sum(axis=(0, 1)), noise, rounding * (1 + size), furthest**2):
        return "its actions do not vary as declared"
    if count > 1:
        products = apart.sum(axis=0) ** 2 - (apart**2).sum(axis=0)
        noise = 2 * count * (count - 1) * (variance**2).sum(axis=0)
        if _differs(products.sum(axis=0), noise, rounding * count * size, (count * furthest) ** 2):
            return "where it is asked again, the mean of its actions is not the declared one"
    width = np.sqrt(np.maximum(variance, size**2))
    scaled, tall = (apart / width).mean(axis=-1), (reach / width).mean(axis=-1).max(axis=0)  # [R, M, N], [N]
    for i, j in zip(*np.triu_indices(scaled.shape[2], 1), strict=True):
        both = scaled[:, :, i] * scaled[:, :, j]
        drawn = variance[:, [i, j]].max(axis=(0, 2)).min() > size
        if drawn and _differs(both.sum(), (both**2).sum(), 1e-6, tall[i] * tall[j]):
            return f"{game.agents[i]} and {game.agents[j]} do not draw independently"
    return None


def _differs(total: Floats, variance: Floats, rounding: float, reach: Floats) -> bool:
    """Return whether a sum is not zero by `ERRORS` standard errors; Bernstein's bound, as a rare term may reach far."""
    return bool((np.abs(total) > ERRORS * np.sqrt(variance) + ERRORS**2 / 3 * reach + rounding).any())


def inside(game: AbstractGame[Any], action: Actions) -> Actions:
    """Return actions ``[..., A]`` cut to the action space of a game, where that is a box."""
    space = game.action_space
    return np.clip(action, space.low, space.high) if isinstance(space, Box) else action


def independent(policy: Policy) -> bool | None:
    """Return whether agents draw independently of each other, or nothing if it is not known."""
    own = declared(policy)
    if isinstance(policy, Product) or isinstance(own, Mixed | Moments):
        return True
    return getattr(own, "independent", None)


def law(
    policy: Policy,
    observation: Floats,
    samples: int,
    rng: np.random.Generator,
    quadratic: bool = False,
    most: int = MOST_ATOMS,
) -> Law:
    """Return what agents do at ``observation [M, N, O]``: declared, pure, or by `samples` draws.

    Where only first and second moments count, declared moments are told as two actions of each agent that have them.
    A declared mixture of more than `most` joint actions is sampled.
    """
    own = declared(policy)
    if quadratic and isinstance(own, Moments) and 2 ** observation.shape[1] <= MOST_ATOMS:
        mean, covariance = own.moments(observation)
        spread = np.sqrt(np.diagonal(covariance, axis1=-2, axis2=-1))
        return _product(np.full((*mean.shape[:2], 2), 0.5), np.stack([mean - spread, mean + spread], axis=2))
    if isinstance(own, Mixed):
        weights, atoms = own.mixture(observation)
        if weights.shape[2] ** weights.shape[1] <= most:
            return _product(weights, atoms)
        return _drawn(weights, atoms, samples, rng)
    if draws_nothing(policy, observation):
        return Law(policy.act(observation, rng)[:, None], np.ones((len(observation), 1)), exact=False)
    repeated = np.repeat(observation, samples, axis=0)
    action = policy.act(repeated, rng)
    action = action.reshape(len(observation), samples, *action.shape[1:])
    return Law(action, np.full(action.shape[:2], 1 / samples), exact=False)


def _drawn(weights: Floats, atoms: Actions, samples: int, rng: np.random.Generator) -> Law:
    """Return joint actions of independent mixtures, S draws that spread evenly over each agent's own."""
    rows, agents, _ = weights.shape
    strata = rng.permuted(np.broadcast_to(np.arange(samples), (rows, agents, samples)), axis=2)
    number = (strata + rng.random((rows, agents, samples))) / samples
    below = np.cumsum(weights, axis=2)[:, :, :-1]
    chosen = np.sum(below[:, :, None] <= number[..., None], axis=3)  # [M, N, S]
    index = chosen.reshape(*chosen.shape, *(1,) * (atoms.ndim - 3))
    action = np.take_along_axis(atoms, index, axis=2).swapaxes(1, 2)
    return Law(action, np.full((rows, samples), 1 / samples), exact=False)


def memoryless(game: AbstractGame[Any], policy: Policy, seeds: Sequence[int], strays: bool = False) -> bool:
    """Return whether the policy answers each observation as a fresh copy of it does, row by row, while it plays.

    A policy that counts its calls, remembers what it saw, mixes up rows or draws from a source of its own does not; one
    that knows the step is judged like these. With `strays` every other action is drawn evenly in place of its own: what
    it remembers may show only after somebody else has done what it does not expect.
    """
    if isinstance(declared(policy), Timed):
        return False
    rows, playing, asked = min(len(seeds), 4), copied(policy), 0
    while asked < LEAST_ASKED:
        fresh = np.random.SeedSequence([*list(seeds)[:rows], asked]).generate_state(rows)
        steps = _asked(game, policy, playing, list(seeds)[:rows] if asked == 0 else fresh.tolist(), strays)
        if steps is None:
            return False
        asked += steps
    return True


def _asked(game: AbstractGame[Any], policy: Policy, playing: Policy, seeds: list[int], strays: bool) -> int | None:
    """Return how many steps a policy was asked until an episode ended, or none if it has a memory."""
    episodes = Episodes(game, len(seeds))
    episodes.seed(seeds)
    episodes.reset()
    for t in range(min(game.horizon, MOST_ASKED)):
        observation, rng = game.observe(episodes.state), np.random.default_rng([t, len(seeds)])
        action = playing.act(observation.copy(), np.random.default_rng(t))
        again = copied(policy).act(observation.copy(), np.random.default_rng(t))
        if not np.array_equal(action, again):
            return None
        if draws_nothing(copied(policy), observation) and not same_rows(copied(policy), observation, action):
            return None
        if strays:
            chosen = rng.random(action.shape[:2]).reshape(*action.shape[:2], *(1,) * (action.ndim - 2)) < 0.5
            action = np.where(chosen, Random(game).act(observation, rng), action)
        if episodes.step(action).terminated.any():
            return t + 1
    return min(game.horizon, MOST_ASKED)


def same_rows(policy: Policy, observation: Floats, action: Actions) -> bool:
    """Return whether rows in another order, and a row alone, get their own actions, to a network's last digits."""
    asked = (observation[::-1], action[::-1]), (observation[-1:], action[-1:])
    again = ((policy.act(rows.copy(), np.random.default_rng(0)), own) for rows, own in asked)
    return all(np.allclose(now, own, rtol=1e-4, atol=1e-6) for now, own in again)


def visits(trajectory: Trajectory[Any]) -> tuple[Floats, Floats]:
    """Return what agents saw and did at each step, ``[T * B, N, ...]``."""
    return (part.reshape(-1, *part.shape[2:]) for part in (trajectory.observation, trajectory.action))  # type: ignore[return-value]


def _product(weights: Floats, atoms: Actions) -> Law:
    """Return all joint actions of independent mixtures, weights ``[M, N, J]`` of atoms ``[M, N, J, ...]``."""
    _, agents, count = weights.shape
    if count == 1:
        return Law(atoms[:, None, :, 0], weights[:, None].prod(axis=(2, 3)), exact=True)
    index = np.stack(np.meshgrid(*[np.arange(count)] * agents, indexing="ij"), axis=-1).reshape(-1, agents)
    places = np.arange(agents)
    weight = weights[:, places, index].prod(axis=2)
    return Law(atoms[:, places, index], weight, exact=True)
