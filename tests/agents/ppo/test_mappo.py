from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete

from walras.agents.ppo import ippo, mappo
from walras.agents.ppo.mappo import Batch, Config, Learner, Trained, checkpoints, load, loss, train
from walras.agents.ppo.rollouts import Rollout
from walras.core import AbstractGame, Policy, Random, State, Step, Vector, rollout
from walras.core.typing import Floats, Ints
from walras.envs import CournotMarket
from walras.equilibria import gap

TINY = Config(rows=4, steps=8, epochs=2, minibatches=2, hidden=(8,))
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

    ends: bool  # by the game's rules, or else by the horizon
    discount: float = 0.9

    @property
    def horizon(self) -> int:
        return 9 if self.ends else 4

    @cached_property
    def observation_space(self) -> Box:
        return Box(0, 1, (4,), dtype=np.float64)

    def step(self, state: Clock, action: Ints, noise: Ints) -> Step[Clock]:
        reward = np.repeat((state.step >= 3)[:, None].astype(np.float64), 2, axis=1)
        ended = (state.step == 3) & self.ends
        return Step(Clock(state.step + 1, state.lifted, state.sign), reward, ended)

    def observe(self, state: Clock) -> Floats:
        return np.repeat(np.eye(4)[np.minimum(state.step, 3)][:, None], 2, axis=1)


class Praise:
    """Pays for action 0, whatever the game pays, and counts the rollouts that it has seen."""

    def __init__(self) -> None:
        self.seen = 0

    def __call__(self, rollout: Rollout) -> torch.Tensor:
        self.seen += 1
        return (rollout.action == 0).float() * self.seen

    def state(self) -> Mapping[str, Any]:
        return {"seen": self.seen}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.seen = state["seen"]


@dataclass
class Wrong:
    change: Callable[[torch.Tensor], torch.Tensor]

    def __call__(self, rollout: Rollout) -> torch.Tensor:
        return self.change(rollout.reward)

    def state(self) -> Mapping[str, Any]:
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        pass


def weights(trained: Trained) -> list[bytes]:
    parts = [*trained.learner.actor.parameters(), *trained.learner.critic.parameters()]
    return [part.detach().numpy().tobytes() for part in parts]


def acts(trained: Trained) -> bytes:
    return trained.policy.act(Vector(trained.game, 5).reset(1), np.random.default_rng(0)).tobytes()


def same(one: Trained, two: Trained) -> bool:
    curves = [[part.tobytes() for part in vars(trained.curve).values()] for trained in (one, two)]
    return weights(one) == weights(two) and acts(one) == acts(two) and curves[0] == curves[1]


def value(game: AbstractGame[Any], policy: Policy, seeds: range = range(200)) -> float:
    return float(rollout(game, policy, seeds).total.mean())


@LEARNERS
def test_every_game_can_be_learned_and_actions_lie_in_its_space(
    every_game: AbstractGame[Any], learner: ModuleType
) -> None:
    trained = learner.train(every_game, TINY, frames=33)
    assert trained.curve.frames.tolist() == [32, 64]
    assert trained.curve.total.shape == (2, len(every_game.agents))
    vector, rng = Vector(every_game, 3), np.random.default_rng(0)
    observation = vector.reset(0)
    for policy in (trained.policy, trained.greedy, trained.policy.greedy):
        observation = vector.step(policy.act(observation, rng)).observation  # refuses what lies outside


SETTINGS = [
    Config.of_paper(),
    replace(TINY, actors="shared", critics="shared"),
    replace(TINY, actors="shared", critics="averaged", critic_input="own"),
    replace(TINY, critics="shared", critic_input="own", units="raw", hidden=()),
]


@pytest.mark.parametrize("config", SETTINGS)
@pytest.mark.parametrize("game", [Relay(), CournotMarket()])
def test_all_settings_learn(game: AbstractGame[Any], config: Config) -> None:
    one = train(game, replace(config, rows=4, steps=8), frames=64)
    start = Learner(game, one.config, 0)
    parts = zip([*start.actor.parameters(), *start.critic.parameters()], weights(one), strict=True)
    assert all(part.detach().numpy().tobytes() != after for part, after in parts)


@pytest.mark.parametrize("game", [Relay(), CournotMarket(horizon=5)])
@pytest.mark.parametrize("config", [TINY, replace(TINY, actors="shared", critics="averaged")])
def test_training_that_goes_on_is_one_training_bit_for_bit(
    game: AbstractGame[Any], config: Config, tmp_path: Path
) -> None:
    whole, first = train(game, config, frames=160, seed=3), train(game, config, frames=64, seed=3)
    before = weights(first), acts(first)
    rest = train(game, frames=96, start=first)
    first.save(tmp_path / "learner.pt")
    loaded = train(game, config, frames=96, seed=99, start=load(tmp_path / "learner.pt"))
    assert same(rest, whole)
    assert same(loaded, whole)
    assert (weights(first), acts(first)) == before
    again = train(game, frames=96, start=first)  # the first may be used again
    assert same(again, whole)


def test_a_shaping_goes_on_as_well(tmp_path: Path) -> None:
    whole, first = (train(Relay(), TINY, frames=frames, shaping=Praise()) for frames in (160, 64))
    first.save(tmp_path / "learner.pt")
    for start in (first, load(tmp_path / "learner.pt")):
        shaping = Praise()
        assert same(train(Relay(), frames=96, shaping=shaping, start=start), whole)
        assert shaping.seen == 5


def test_a_seed_fixes_the_result() -> None:
    one = train(Relay(), TINY, frames=96, seed=1)
    np.random.seed(99)  # noqa: NPY002 - global chance must not matter
    torch.manual_seed(99)
    two, other = (train(Relay(), TINY, frames=96, seed=seed) for seed in (1, 2))
    assert same(one, two)
    assert weights(one) != weights(other)


def test_checkpoints_are_policies_on_the_way() -> None:
    found = list(checkpoints(Relay(), TINY, frames=32 * 7, count=3, seed=5))
    assert [frames for frames, _ in found] == [64, 160, 224]
    seen = Vector(Relay(), 6).reset(0)
    for frames, policy in found:
        expected = train(Relay(), TINY, frames=frames, seed=5).policy
        for one, two in zip(policy.layers, expected.layers, strict=True):
            assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
        np.testing.assert_array_equal(
            policy.act(seen, np.random.default_rng(0)), expected.act(seen, np.random.default_rng(0))
        )


QUICK = Config(rows=32, steps=16, epochs=4, minibatches=1, learning_rate=1e-2, entropy=0.01, hidden=(16,))
VARIANTS = {
    "MAPPO": (mappo.train, QUICK),
    "shared": (mappo.train, replace(QUICK, actors="shared", critics="shared")),
    "averaged": (mappo.train, replace(QUICK, critics="averaged")),
    "IPPO": (ippo.train, QUICK),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_cooperative_game_is_learned_to_its_optimum(name: str) -> None:
    train, config = VARIANTS[name]
    assert value(Relay(), Random(Relay())) < 0.15  # 1/16
    trained = train(Relay(), config, frames=512 * 40)
    assert value(Relay(), trained.greedy) == 1.0
    assert value(Relay(), trained.policy) > 0.9
    assert trained.curve.total[-1].min() > 0.8


@pytest.mark.parametrize(
    ("ends", "sees", "known"),
    # Steps in the good place are worth 1 / (1 - 0.9) = 10 if the horizon cuts the episode off, and 1 if the game ends.
    # Were a cut taken for an end, the first rows would read as the last; were the next episode's first observation
    # taken for the last of this one, their last entries would be 1 / (1 - 0.9**4) = 2.9.
    [
        (False, "own", [7.29, 8.1, 9.0, 10.0]),
        (False, "joint", [7.29, 8.1, 9.0, 10.0]),
        (True, "own", [0.729, 0.81, 0.9, 1.0]),
    ],
)
def test_values_are_known_where_the_horizon_cuts_off_and_where_the_game_ends(
    ends: bool, sees: str, known: list[float]
) -> None:
    config = replace(QUICK, units="raw", gae_lambda=0.9, critic_input=sees, learning_rate=0.05, hidden=())
    learner = train(Ramp(ends), config, frames=512 * 100).learner
    seen = torch.eye(4)[None].repeat(1, 1, 2 if sees == "joint" else 1)
    found = learner.critic(seen)[:, :, 0]
    np.testing.assert_allclose(found.detach().numpy(), [known] * 2, rtol=0.01)


def test_the_loss_follows_gains_until_the_clip_and_losses_beyond_it() -> None:
    config = replace(TINY, clip=0.2, value_weight=0.5, entropy=0.1)
    advantage = torch.tensor([[2.0, 2.0, -1.0, -1.0]])
    ratio = torch.tensor([[1.5, 0.5, 1.5, 0.5]])
    zero = torch.zeros(1, 4)
    batch = Batch(zero, zero, zero, zero, advantage, zero + 3)
    found = loss(config, batch, ratio.log(), zero + 0.7, zero + 1)
    # Gains: 1.2 * 2, 0.5 * 2, 1.5 * -1, 0.8 * -1; values are off by 2; entropies are 0.7.
    assert found.item() == pytest.approx(-(2.4 + 1.0 - 1.5 - 0.8) / 4 + 0.5 * 4 - 0.1 * 0.7)


def test_averaged_critics_are_equal_and_actors_are_not() -> None:
    learner = train(Relay(), replace(TINY, critics="averaged"), frames=64).learner
    assert all(torch.equal(part[0], part[1]) for part in learner.critic.parameters())
    assert not any(torch.equal(part[0], part[1]) for part in learner.actor.parameters())


def test_shared_networks_have_one_set_of_weights() -> None:
    learner = train(Relay(), replace(TINY, actors="shared", critics="shared"), frames=64).learner
    for network in (learner.actor.network, learner.critic):
        assert all(len(weight) == 1 for weight in network.weights)
        assert [len(bias) for bias in network.biases] == [2, 1]


def test_critics_see_what_all_agents_see_or_their_own_agent_alone() -> None:
    assert train(Relay(), TINY, frames=1).learner.critic.weights[0].shape[1] == 6
    assert ippo.train(Relay(), TINY, frames=1).learner.critic.weights[0].shape[1] == 3


def test_ippo_changes_the_critics_alone() -> None:
    config = ippo.independent(Config.of_paper())
    assert config == replace(Config.of_paper(), critic_input="own", critics="separate")
    assert ippo.independent(replace(TINY, critics="shared")).critics == "shared"
    first = ippo.train(Relay(), TINY, frames=32)
    assert same(ippo.train(Relay(), TINY, frames=64, start=first), ippo.train(Relay(), TINY, frames=96))
    with pytest.raises(ValueError, match=r"`start` must have critics of each agent's own; got Config\(.*'joint'"):
        ippo.train(Relay(), frames=32, start=mappo.train(Relay(), TINY, frames=32))


def test_a_shaping_is_learned_from_and_the_curve_stays_the_games() -> None:
    trained = train(Relay(), QUICK, frames=512 * 10, shaping=Praise())
    assert (trained.greedy.act(Vector(Relay(), 8).reset(0), np.random.default_rng(0)) == 0).all()
    assert trained.curve.total[-1].max() == 0.0


def test_the_unit_of_rewards_does_not_matter() -> None:
    # A power of two, so that division by the deviation is exact.
    one, other = (train(Relay(scale=scale), TINY, frames=160) for scale in (1.0, 1024.0))
    assert weights(one) == weights(other)
    np.testing.assert_array_equal(1024 * one.curve.total, other.curve.total)
    raw = [train(Relay(scale=scale), replace(TINY, units="raw"), frames=160) for scale in (1.0, 1024.0)]
    assert weights(raw[0]) != weights(raw[1])


def test_the_curve_holds_the_mean_return_of_episodes_that_ended() -> None:
    curve = train(CournotMarket(horizon=12), TINY, frames=32 * 4).curve
    assert curve.episodes.tolist() == [0, 4, 4, 0]  # in steps 12 and 24 of 32, on four rows
    assert np.isnan(curve.total[[0, 3]]).all()
    assert np.isfinite(curve.total[[1, 2]]).all()


def test_the_settings_of_the_paper() -> None:
    config = Config.of_paper()
    assert (config.frames, config.epochs, config.minibatches, config.hidden) == (4096, 4, 4, (64,))
    assert (config.clip, config.entropy, config.value_weight, config.discount) == (0.2, 0.01, 0.5, 0.99)
    assert (config.learning_rate, config.critics, config.actors) == (1e-4, "averaged", "separate")


@pytest.mark.parametrize("field", fields(Config), ids=lambda field: field.name)
def test_wrong_settings_are_refused(field: Field[Any]) -> None:
    wrong: dict[str, Any] = {
        "hidden": (8, 0), "gae_lambda": 1.5, "discount": -0.1, "entropy": -1.0, "value_weight": np.inf,
        "log_deviation": np.nan, "minibatches": 3,
    }  # fmt: skip
    bad = wrong.get(field.name, "mine" if field.type in (str, "str") else 0)
    with pytest.raises(ValueError, match=rf"`{field.name}` must .*got"):
        replace(TINY, **{field.name: bad})


def refusals(tmp_path: Path) -> dict[str, tuple[Callable[[], object], type[Exception], str]]:
    first, shaped = train(Relay(), TINY, frames=1), train(Relay(), TINY, frames=1, shaping=Praise())
    (tmp_path / "text.pt").write_text("no learner")
    torch.save({"kind": "mechanism"}, tmp_path / "other.pt")
    torch.save({"kind": "mappo", "format": 0}, tmp_path / "old.pt")
    return {
        "frames": (lambda: train(Relay(), TINY, frames=0), ValueError, "`frames` must be at least 1; got 0"),
        "game": (lambda: train(Relay(scale=2.0), start=first), ValueError, "`start` must be trained on this game"),
        "config": (lambda: train(Relay(), QUICK, start=first), ValueError, "`config` must be left out with `start`"),
        "lost": (lambda: train(Relay(), start=shaped), ValueError, "`shaping` must be given, as before; got None"),
        "new": (lambda: train(Relay(), start=first, shaping=Praise()), ValueError, "`shaping` must be left out"),
        "count": (lambda: checkpoints(Relay(), TINY, 64, 3), ValueError, "`count` must lie between 1 and 2 rollouts"),
        "none": (lambda: checkpoints(Relay(), TINY, 0), ValueError, "`frames` must be at least 1; got 0"),
        "shape": (
            lambda: train(Relay(), TINY, frames=32, shaping=Wrong(lambda reward: reward[0])),
            ValueError,
            r"`shaping` must return rewards \(8, 4, 2\); got \(4, 2\)",
        ),
        "infinite": (
            lambda: train(Relay(), TINY, frames=32, shaping=Wrong(lambda reward: reward / 0 + 1)),
            ValueError,
            r"`shaping` must return finite rewards; got \[nan\]",
        ),
        "diverged": (
            lambda: train(Relay(), replace(TINY, learning_rate=1e38), frames=320),
            FloatingPointError,
            "take a smaller `learning_rate`",
        ),
        "missing": (lambda: load(tmp_path / "none.pt"), FileNotFoundError, "none.pt"),
        "text": (lambda: load(tmp_path / "text.pt"), ValueError, "`path` must hold a trained learner; got"),
        "other": (lambda: load(tmp_path / "other.pt"), ValueError, "`path` must hold a trained learner; got .*mechan"),
        "old": (lambda: load(tmp_path / "old.pt"), ValueError, "`path` must hold a learner of format 1; got 0"),
    }


def test_bad_input_is_refused(tmp_path: Path) -> None:
    for call, kind, message in refusals(tmp_path).values():
        with pytest.raises(kind, match=message):
            call()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
@LEARNERS
def test_nobody_gains_half_a_percent_where_cournot_is_learned(learner: ModuleType, seed: int) -> None:
    game = CournotMarket(cost=(10.0, 15.0, 20.0))
    trained = learner.train(game, frames=200_000, seed=seed)
    assert gap(game, trained.greedy, range(4)).relative.max() < 5e-3
