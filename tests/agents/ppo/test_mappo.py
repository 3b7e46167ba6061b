from collections.abc import Callable, Mapping
from dataclasses import Field, asdict, dataclass, fields, replace
from functools import cached_property
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete

from walras.agents.ppo import ippo, mappo
from walras.agents.ppo.ippo import IPPO
from walras.agents.ppo.learner import AbstractPPO, Trained, check_spaces
from walras.agents.ppo.mappo import MAPPO
from walras.agents.ppo.rollouts import Rollout
from walras.agents.ppo.settings import PAPER
from walras.agents.ppo.training import Shaping, Training
from walras.core import AbstractGame, Policy, Random, State, Step, Vector, fingerprint, rollout
from walras.core.game import End
from walras.core.learner import train as train_by
from walras.core.typing import Floats, Ints
from walras.envs import CournotMarket, GridWorld
from walras.equilibria import Kind, gap

TINY: dict[str, Any] = {
    "steps": 160, "num_envs": 4, "rollout_steps": 8, "epochs": 2, "minibatches": 2, "hidden": (8,),
}  # fmt: skip
LEARNERS = pytest.mark.parametrize("learner", [mappo, ippo])


@dataclass(frozen=True)
class Clock(State):
    step: Ints  # [B]
    lifted: Ints  # [B]
    sign: Ints  # [B] 0 or 1


class AbstractToy(AbstractGame[Clock]):
    """What the toys of this file share: two agents, a clock, no pictures."""

    @cached_property
    def agents(self) -> tuple[str, ...]:
        return ("a", "b")

    @cached_property
    def action_space(self) -> Discrete:
        return Discrete(2)

    def noise(self, rng: np.random.Generator, steps: int) -> Ints:
        return rng.integers(2, size=steps)

    def reset(self, noise: Ints) -> Clock:
        return Clock(0 * noise, 0 * noise, noise)

    def scripted(self, observation: Floats) -> Ints:
        return np.zeros(observation.shape[:2], dtype=np.int64)

    def text(self, state: Clock) -> str:
        return str(state)

    def image(self, state: Clock) -> np.ndarray:
        return np.zeros((1, 1, 3), np.uint8)


@dataclass(frozen=True)
class Relay(AbstractToy):
    """Both lift at once, then both choose the sign: 1 for each; anything else: nothing. The optimum is 1."""

    scale: float = 1.0
    horizon: int = 10
    discount: float = 0.9

    @cached_property
    def observation_space(self) -> Box:
        return Box(0, 1, (3,), dtype=np.float64)

    def step(self, state: Clock, action: Ints, noise: Ints) -> Step[Clock]:
        lift = (state.step == 0) & (action == 1).all(axis=1)
        good = (state.lifted == 1) & (action == state.sign[:, None]).all(axis=1)
        reward = np.repeat(self.scale * good[:, None], 2, axis=1)
        return Step(Clock(state.step + 1, lift.astype(np.int64), state.sign), reward, state.step == 1)

    def observe(self, state: Clock) -> Floats:
        seen = np.stack([state.step, state.lifted, state.sign], axis=1).astype(np.float64)
        return np.repeat(seen[:, None], 2, axis=1)


@dataclass(frozen=True)
class Ramp(AbstractToy):
    """Whatever agents do, three steps lead to a place where each step earns 1; the episode ends after the fourth."""

    by: str  # "step", which says so, or the horizon: "rule" or "cut"
    discount: float = 0.9

    @property
    def horizon(self) -> int:
        return 9 if self.by == "step" else 4

    @property
    def ends(self) -> End:
        return "rule" if self.by == "rule" else "cut"

    @cached_property
    def observation_space(self) -> Box:
        return Box(0, 1, (4,), dtype=np.float64)

    def step(self, state: Clock, action: Ints, noise: Ints) -> Step[Clock]:
        reward = np.repeat((state.step >= 3)[:, None].astype(np.float64), 2, axis=1)
        ended = (state.step == 3) & (self.by == "step")
        return Step(Clock(state.step + 1, state.lifted, state.sign), reward, ended)

    def observe(self, state: Clock) -> Floats:
        return np.repeat(np.eye(4)[np.minimum(state.step, 3)][:, None], 2, axis=1)


class Praise:
    """Pays for action 0, whatever the game pays, and counts the rollouts that it has seen."""

    def __init__(self) -> None:
        self.seen = 0

    def __call__(self, rollout: Rollout) -> tuple[torch.Tensor, Mapping[str, torch.Tensor]]:
        self.seen += 1
        return (rollout.action == 0).float() * self.seen, {"seen": torch.full((2,), float(self.seen))}


@dataclass
class Wrong:
    change: Callable[[torch.Tensor], torch.Tensor]

    def __call__(self, rollout: Rollout) -> tuple[torch.Tensor, Mapping[str, torch.Tensor]]:
        return self.change(rollout.reward), {}


@dataclass(frozen=True, kw_only=True)
class Shaped(AbstractPPO):
    make: Callable[[], Shaping] = Praise

    def check(self, game: AbstractGame[Any]) -> None:
        check_spaces(game)

    def shaping(self, game: AbstractGame[Any], seed: int) -> Shaping:
        return self.make()


def train(game: AbstractGame[Any], settings: Mapping[str, Any], seed: int = 0, **changed: Any) -> Trained:  # noqa: ANN401
    return mappo.train(game, seed, **{**settings, **changed})


def parts(trained: Trained) -> list[bytes]:
    return [part.detach().numpy().tobytes() for part in trained.training.parameters]


def acts(trained: Trained) -> bytes:
    return trained.act(Vector(trained.game, 5).reset(1), np.random.default_rng(0)).tobytes()


def same(one: Trained, two: Trained) -> bool:
    curves = [[part.tobytes() for part in vars(trained.curve).values()] for trained in (one, two)]
    return parts(one) == parts(two) and acts(one) == acts(two) and curves[0] == curves[1]


def value(game: AbstractGame[Any], policy: Policy, seeds: range = range(200)) -> float:
    return float(rollout(game, policy, seeds).total.mean())


@LEARNERS
def test_every_game_can_be_learned_and_actions_lie_in_its_space(
    every_game: AbstractGame[Any], learner: ModuleType
) -> None:
    trained = learner.train(every_game, **{**TINY, "steps": 33})
    assert trained.curve.steps.tolist() == [32, 64]
    assert trained.curve.total.shape == (2, len(every_game.agents))
    vector, rng = Vector(every_game, 3), np.random.default_rng(0)
    observation = vector.reset(0)
    for policy in (trained, trained.policy, trained.greedy):
        observation = vector.step(policy.act(observation, rng)).observation  # refuses what lies outside


SETTINGS: list[dict[str, Any]] = [
    dict(PAPER),
    {**TINY, "actors": "shared", "critics": "shared"},
    {**TINY, "actors": "shared", "critics": "averaged", "critic_input": "own"},
    {**TINY, "critics": "shared", "critic_input": "own", "units": "raw", "hidden": ()},
]


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("game", [Relay(), CournotMarket()])
def test_all_settings_learn(game: AbstractGame[Any], settings: dict[str, Any]) -> None:
    one = train(game, settings, num_envs=4, rollout_steps=8, steps=64)
    start = Training(one.learner, game, 0)
    changed = zip(start.parameters, parts(one), strict=True)
    assert all(part.detach().numpy().tobytes() != after for part, after in changed)


def test_training_goes_on_beyond_its_budget_as_if_that_had_been_larger() -> None:
    whole, first = (train(Relay(), TINY, 3, steps=steps) for steps in (160, 64))
    assert same(train(Relay(), TINY, 99, start=first), whole)
    assert same(train(Relay(), TINY, checkpoints=3, start=first), whole)
    assert train(Relay(), TINY, steps=33, start=first) is first


def test_a_shaping_goes_on_as_well() -> None:
    whole, first = (train_by(Shaped(**{**TINY, "steps": steps}), Relay(), 3) for steps in (160, 64))
    rest = train_by(Shaped(**TINY), Relay(), 3, first)
    assert isinstance(whole, Trained)
    assert isinstance(rest, Trained)
    assert same(rest, whole)
    np.testing.assert_array_equal(rest.diagnostics["seen"], np.repeat(np.arange(1.0, 6.0)[:, None], 2, axis=1))


def test_it_yields_evenly_and_at_most_once_a_rollout() -> None:
    found = list(MAPPO(**{**TINY, "steps": 32 * 7, "checkpoints": 3}).learn(Relay(), 5))
    assert [trained.steps for trained in found] == [0, 64, 160, 224]
    for trained in found[1:]:
        assert same(trained, train(Relay(), TINY, 5, steps=trained.steps))
    often = MAPPO(**{**TINY, "steps": 64, "checkpoints": 10}).learn(Relay(), 5)
    assert [trained.steps for trained in often] == [0, 32, 64]


def test_what_is_wrong_is_refused_before_the_first_step() -> None:
    first = train(Relay(), TINY, steps=32)
    with pytest.raises(ValueError, match=r"`start` must be trained by these settings, MAPPO.*clip=0.1.*; got MAPPO"):
        MAPPO(**TINY, clip=0.1).learn(Relay(), 0, first)
    with pytest.raises(ValueError, match=r"`start` must be trained by these settings, IPPO.*; got MAPPO"):
        IPPO(**TINY).learn(Relay(), 0, first)


def test_play_says_whether_actions_are_drawn() -> None:
    drawn, greedy = (train(Relay(), TINY, play=play) for play in ("sampled", "greedy"))
    assert parts(drawn) == parts(greedy)
    seen = Vector(Relay(), 50).reset(0)
    for trained, playing in ((drawn, drawn.policy), (greedy, drawn.greedy)):
        found, expected = (policy.act(seen, np.random.default_rng(1)) for policy in (trained, playing))
        np.testing.assert_array_equal(found, expected)
    assert (drawn.act(seen, np.random.default_rng(1)) != greedy.act(seen, np.random.default_rng(1))).any()


@pytest.mark.parametrize(("game", "draws"), [(Relay(), True), (CournotMarket(), False)])
def test_indices_are_drawn_and_boxes_are_played_by_their_means(game: AbstractGame[Any], draws: bool) -> None:
    trained = train(game, TINY, steps=32)
    seen = Vector(game, 50).reset(0)
    first, second = (trained.act(seen, np.random.default_rng(seed)) for seed in (0, 1))
    assert (first != second).any() == draws
    assert hasattr(trained.declared, "mixture")  # so that its gap can be exact
    assert np.array_equal(trained.greedy.act(seen, np.random.default_rng(0)), first) != draws


def test_what_was_learned_has_an_identity() -> None:
    one, again, other = (train(Relay(), TINY, seed, steps=32) for seed in (0, 0, 1))
    assert fingerprint(one) == fingerprint(again) != fingerprint(other)


QUICK: dict[str, Any] = {
    "num_envs": 32, "rollout_steps": 16, "epochs": 4, "minibatches": 1, "learning_rate": 1e-2, "entropy": 0.01,
    "hidden": (16,),
}  # fmt: skip
VARIANTS: dict[str, tuple[ModuleType, dict[str, Any]]] = {
    "MAPPO": (mappo, {}),
    "shared": (mappo, {"actors": "shared", "critics": "shared"}),
    "averaged": (mappo, {"critics": "averaged"}),
    "IPPO": (ippo, {}),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_cooperative_game_is_learned_to_its_optimum(name: str) -> None:
    module, settings = VARIANTS[name]
    assert value(Relay(), Random(Relay())) < 0.15  # 1/16
    trained = module.train(Relay(), steps=512 * 40, **QUICK, **settings)
    assert value(Relay(), trained.greedy) == 1.0
    assert value(Relay(), trained) > 0.9
    assert trained.curve.total[-1].min() > 0.8


@pytest.mark.parametrize(
    ("by", "sees", "known"),
    # Steps in the good place are worth 1 / (1 - 0.9) = 10 if the horizon cuts the episode off, and 1 if the game ends.
    # Were a cut taken for an end, the first rows would read as the last; were the next episode's first observation
    # taken for the last of this one, their last entries would be 1 / (1 - 0.9**4) = 2.9.
    [
        ("cut", "own", [7.29, 8.1, 9.0, 10.0]),
        ("cut", "joint", [7.29, 8.1, 9.0, 10.0]),
        ("step", "own", [0.729, 0.81, 0.9, 1.0]),
        ("rule", "own", [0.729, 0.81, 0.9, 1.0]),
    ],
)
def test_values_are_known_where_the_horizon_cuts_off_and_where_the_game_ends(
    by: str, sees: str, known: list[float]
) -> None:
    changed = {"units": "raw", "gae_lambda": 0.9, "critic_input": sees, "learning_rate": 0.05, "hidden": ()}
    trained = train(Ramp(by), QUICK, steps=512 * 100, **changed)
    seen = torch.eye(4)[None].repeat(1, 1, 2 if sees == "joint" else 1)
    found = trained.training.critic(seen)[:, :, 0]
    np.testing.assert_allclose(found.detach().numpy(), [known] * 2, rtol=0.01)
    assert trained.diagnostics["explained_variance"][-1].min() > 0.95


def test_actors_that_do_not_move_have_no_divergence_and_the_entropy_of_the_start() -> None:
    found = train(Relay(), TINY, learning_rate=1e-20, output_gain=1e-20).diagnostics
    np.testing.assert_allclose(found["approx_kl"], 0.0, atol=1e-6)
    np.testing.assert_array_equal(found["clip_fraction"], 0.0)
    np.testing.assert_allclose(found["entropy"], np.log(2), rtol=1e-6)
    np.testing.assert_allclose(found["policy_loss"], 0.0, atol=1e-6)  # advantages have mean zero


def test_averaged_critics_are_equal_and_actors_are_not() -> None:
    training = train(Relay(), TINY, critics="averaged", steps=64).training
    assert all(torch.equal(part[0], part[1]) for part in training.critic.parameters())
    assert not any(torch.equal(part[0], part[1]) for part in training.actor.parameters())


def test_shared_networks_have_one_set_of_weights() -> None:
    training = train(Relay(), TINY, actors="shared", critics="shared", steps=64).training
    for network in (training.actor.network, training.critic):
        assert all(len(weight) == 1 for weight in network.weights)
        assert [len(bias) for bias in network.biases] == [2, 1]


def test_critics_see_what_all_agents_see_or_their_own_agent_alone() -> None:
    for module, width in ((mappo, 6), (ippo, 3)):
        assert module.train(Relay(), **TINY).training.critic.weights[0].shape[1] == width


def test_ippo_is_mappo_with_critics_of_each_agents_own() -> None:
    one = ippo.train(Relay(), **TINY)
    assert same(one, train(Relay(), TINY, critic_input="own"))
    assert asdict(IPPO.of_paper()) == {**asdict(MAPPO.of_paper()), "critic_input": "own", "critics": "separate"}
    assert IPPO(critics="shared").critic_input == "own"
    with pytest.raises(ValueError, match="`critics` must be one of separate, shared; got 'averaged'"):
        IPPO(critics="averaged")
    with pytest.raises(TypeError, match="critic_input"):
        IPPO(critic_input="joint")  # type: ignore[call-arg]


def test_a_shaping_is_learned_from_and_the_curve_stays_the_games() -> None:
    trained = train_by(Shaped(**QUICK, steps=512 * 10), Relay())
    assert isinstance(trained, Trained)
    assert (trained.greedy.act(Vector(Relay(), 8).reset(0), np.random.default_rng(0)) == 0).all()
    assert trained.curve.total[-1].max() == 0.0


def test_the_unit_of_rewards_does_not_matter() -> None:
    # A power of two, so that division by the standard deviation is exact.
    one, other = (train(Relay(scale=scale), TINY) for scale in (1.0, 1024.0))
    assert parts(one) == parts(other)
    np.testing.assert_array_equal(1024 * one.curve.total, other.curve.total)
    raw = [train(Relay(scale=scale), TINY, units="raw") for scale in (1.0, 1024.0)]
    assert parts(raw[0]) != parts(raw[1])


def test_the_curve_holds_the_mean_return_of_episodes_that_ended() -> None:
    curve = train(CournotMarket(horizon=12), TINY, steps=32 * 4).curve
    assert curve.episodes.tolist() == [0, 4, 4, 0]  # in steps 12 and 24 of 32, in four games
    assert np.isnan(curve.total[[0, 3]]).all()
    assert np.isfinite(curve.total[[1, 2]]).all()


def test_the_settings_of_the_paper() -> None:
    paper = MAPPO.of_paper(steps=99)
    assert (paper.steps_per_rollout, paper.epochs, paper.minibatches, paper.hidden) == (4096, 4, 4, (64,))
    assert (paper.clip, paper.entropy, paper.value_weight, paper.discount) == (0.2, 0.01, 0.5, 0.99)
    assert (paper.learning_rate, paper.critics, paper.actors, paper.steps) == (1e-4, "averaged", "separate", 99)


@pytest.mark.parametrize("field", fields(MAPPO), ids=lambda field: field.name)
def test_wrong_settings_are_refused(field: Field[Any]) -> None:
    wrong: dict[str, Any] = {
        "hidden": (8, 0), "gae_lambda": 1.5, "discount": -0.1, "entropy": -1.0, "value_weight": np.inf,
        "log_std": np.nan, "minibatches": 3, "num_envs": 1.5,
    }  # fmt: skip
    bad = wrong.get(field.name, "mine" if field.type in (str, "str") else 0)
    with pytest.raises(ValueError, match=rf"`{field.name}` must .*got"):
        replace(MAPPO(**TINY), **{field.name: bad})


def shaped(change: Callable[[torch.Tensor], torch.Tensor]) -> None:
    train_by(Shaped(**TINY, make=lambda: Wrong(change)), Relay())


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: mappo.train(object()), TypeError, "`game` must be a game, an `AbstractGame`; got object"),  # type: ignore[arg-type]
        (lambda: train(Relay(), TINY, steps=9), ValueError, "`steps` must be at least 10, one a checkpoint; got 9"),
        (lambda: shaped(lambda reward: reward[0]), ValueError, r"`shaping` must return rewards \(8, 4, 2\); got \(4"),
        (
            lambda: shaped(lambda reward: reward / 0 + 1),
            ValueError,
            r"`shaping` must return finite rewards; got \[nan\]",
        ),
        (
            lambda: train(Relay(), TINY, steps=320, learning_rate=1e38),
            FloatingPointError,
            "take a smaller `learning_rate`",
        ),
    ],
)
def test_bad_input_is_refused(call: Callable[[], object], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        call()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
@LEARNERS
def test_nobody_gains_half_a_percent_where_cournot_is_learned(learner: ModuleType, seed: int) -> None:
    game = CournotMarket(cost=(10.0, 15.0, 20.0))
    trained = learner.train(game, seed, steps=200_000)
    assert gap(game, trained.greedy, seeds=range(32)).relative.upper.max() < 5e-3


@pytest.mark.parametrize("play", ["sampled", "greedy"])
def test_in_a_grid_world_the_gap_of_what_was_learned_is_exact(play: str) -> None:
    trained = mappo.train(GridWorld(), steps=64, checkpoints=1, num_envs=2, rollout_steps=32, play=play)
    for concept in ("nash", "joint optimum"):
        assert gap(GridWorld(), trained, concept=concept).kind is Kind.EXACT
