import copy
import errno
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, cast

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete
from mpe2 import simple_spread_v3
from stable_baselines3 import DQN

from walras.agents import sb3
from walras.agents.ppo import ippo, mappo
from walras.agents.sb3 import SB3, SharedSB3, Trained, learners, train, train_shared
from walras.core import AbstractGame, Foreign, Random, State, Step, Vector, fingerprint, rollout
from walras.core.typing import Floats, Image, Ints
from walras.envs import CournotMarket, DayAheadMarket, GridWorld, SupplyFunctionMarket
from walras.equilibria import gap, solve

GAME = CournotMarket()
Trainer = Callable[..., Trained]


def small(algorithm: str) -> dict[str, Any]:
    """Hyperparameters that train tiny networks in no time."""
    nets = {"policy_kwargs": {"net_arch": [8]}}
    if algorithm == "PPO":
        return nets | {"n_steps": 8, "batch_size": 64, "n_epochs": 2}
    return nets | {"learning_starts": 64, "batch_size": 32, "buffer_size": 2048, "gradient_steps": 1}


def quick(
    trainer: Trainer, game: AbstractGame[Any], algorithm: str, steps: int, seed: int = 0, **others: object
) -> Trained:
    return trainer(game, algorithm, seed, steps=steps, hyperparameters=small(algorithm), **others)


def observations(game: AbstractGame[Any] = GAME, rows: int = 5) -> Floats:
    return Vector(game, rows).reset(1)


def acts(trained: Trained) -> bytes:
    """The bits of the actions."""
    return trained.act(observations(), np.random.default_rng(0)).tobytes()


def weights(trained: Trained) -> list[bytes]:
    return [
        tensor.numpy().tobytes()
        for model in trained.models
        for tensor in model.policy.state_dict().values()
        if isinstance(tensor, torch.Tensor)
    ]


@dataclass(frozen=True)
class Shown(State):
    shown: Ints  # [B, N] what each agent sees, and should choose
    step: Ints  # [B]


@dataclass(frozen=True)
class Echo(AbstractGame[Shown]):
    """Two agents see a number of 0, 1, 2, and are paid 1 for choosing the same, counted from 5."""

    horizon: int = 4
    discount: float = 0.0

    @cached_property
    def agents(self) -> tuple[str, ...]:
        return ("ann", "bob")

    @cached_property
    def observation_space(self) -> Box:
        return Box(0, 2, (1,), dtype=np.float64)

    @cached_property
    def action_space(self) -> Discrete:
        return Discrete(3, start=5)

    def noise(self, rng: np.random.Generator, steps: int) -> Ints:
        return rng.integers(3, size=(steps, 2))

    def reset(self, noise: Ints) -> Shown:
        return Shown(noise, np.zeros(len(noise), dtype=np.int64))

    def step(self, state: Shown, action: Ints, noise: Ints) -> Step[Shown]:
        right = (action - 5 == state.shown).astype(np.float64)
        return Step(Shown(noise, state.step + 1), right, np.zeros(len(noise), dtype=np.bool_))

    def observe(self, state: Shown) -> Floats:
        return state.shown[:, :, None].astype(np.float64)

    def text(self, state: Shown) -> str:
        return str(state.shown[0])

    def image(self, state: Shown) -> Image:
        return np.zeros((1, 1, 3), dtype=np.uint8)


def cart_pole() -> gymnasium.Env[Any, Any]:
    return gymnasium.make("CartPole-v1")


def spread() -> Any:  # noqa: ANN401
    return simple_spread_v3.parallel_env(max_cycles=10)


@pytest.mark.parametrize("game", [GAME, SupplyFunctionMarket(), DayAheadMarket(), GridWorld.lava(2)])
def test_every_game_can_be_learned_and_actions_lie_in_its_space(game: AbstractGame[Any]) -> None:
    for trainer, models in ((train, len(game.agents)), (train_shared, 1)):
        trained = quick(trainer, game, "PPO", 256)
        assert len(trained.models) == models
        action = trained.act(observations(game), np.random.default_rng(0))
        assert action.shape == (5, len(game.agents), *(game.action_space.shape or ()))
        assert rollout(game, trained, [0]).total.shape == (1, len(game.agents))  # refuses what lies outside


def test_independent_learners_differ_and_a_shared_one_tells_agents_apart_by_what_they_see() -> None:
    independent = quick(train, GAME, "PPO", 256)
    assert len(set(map(bytes, independent.act(observations()[:1] * 0 + 1, np.random.default_rng(0))[0]))) == 3
    shared = quick(train_shared, GAME, "PPO", 256)
    same = np.repeat(observations()[:, :1], 3, axis=1)
    action = shared.act(same, np.random.default_rng(0))
    np.testing.assert_allclose(action, np.repeat(action[:, :1], 3, axis=1), rtol=1e-6)


def test_it_acts_without_chance_and_says_so() -> None:
    trained = quick(train, GAME, "PPO", 256)
    one, two = (trained.act(observations(), np.random.default_rng(seed)) for seed in (0, 1))
    share, atoms = trained.mixture(observations())
    assert np.array_equal(one, two)
    assert np.array_equal(atoms[:, :, 0], one)
    assert (share == 1).all()


def test_steps_are_of_the_environment_and_rounded_up_to_whole_updates() -> None:
    # 32 games x n_steps 8 make an update; 300 steps are rounded up to two of them.
    trained = quick(train, GAME, "PPO", 300)
    assert trained.steps == 512
    assert [model.num_timesteps for model in trained.models] == [512, 512, 512]
    shared = quick(train_shared, GAME, "PPO", 300)
    assert shared.steps == 512
    assert shared.models[0].num_timesteps == 1536  # 96 rows x 8 steps; 300 x 3 = 900 are rounded up to two updates


def test_the_learner_discounts_as_the_game_says() -> None:
    for game, discount in ((GAME, 0.0), (CournotMarket(discount=0.9), 0.9)):
        model: Any = quick(train, game, "PPO", 1).models[0]
        assert model.gamma == discount


def test_rewards_are_centred_and_scaled_by_random_play() -> None:
    mean, spread = learners._reward_scale(GAME)
    reward = GAME.profit(np.random.default_rng(5).uniform(0, 100, (200_000, 3)))
    np.testing.assert_allclose(mean, reward.mean(axis=0), rtol=0.2)
    np.testing.assert_allclose(spread, reward.std(axis=0), rtol=0.1)


def test_rewards_are_not_centred_where_episodes_end_early_since_going_on_would_then_be_worth_another_sum() -> None:
    mean, spread = learners._reward_scale(Foreign(cart_pole))  # which pays 1 a step
    assert mean.tolist() == [0.0]
    assert spread.tolist() == [1.0]


class TestStretches:
    """What runs with several checkpoints are made of, by a second road: one training after the other."""

    @pytest.mark.parametrize(("trainer", "algorithm"), [(train, "PPO"), (train, "SAC"), (train_shared, "TD3")])
    def test_each_has_a_seed_of_its_own(self, trainer: Trainer, algorithm: str) -> None:
        game = CournotMarket(horizon=4)
        whole = quick(trainer, game, algorithm, 512, seed=3, checkpoints=2)
        first = quick(trainer, game, algorithm, 256, seed=sb3.chunk_seed(3, 0))
        second = quick(trainer, game, algorithm, 512, seed=sb3.chunk_seed(3, 1), start=first)
        assert weights(whole) == weights(second)
        assert np.array_equal(whole.curve.total, second.curve.total)

    def test_seeds_of_stretches_differ(self) -> None:
        assert len({sb3.chunk_seed(seed, chunk) for seed in range(20) for chunk in range(20)}) == 400

    def test_going_on_by_the_same_seed_does_not_repeat_its_noise(self) -> None:
        frozen = small("PPO") | {"learning_rate": 0.0}
        once = train(GAME, steps=1024, hyperparameters=frozen)
        twice = train(GAME, steps=2048, hyperparameters=frozen, start=once)
        assert twice.steps == 2048
        assert twice.curve.total[0].tolist() != twice.curve.total[1].tolist()

    def test_another_budget_goes_on_where_the_first_ended(self) -> None:
        first = quick(train, GAME, "PPO", 256, checkpoints=1)
        rest = list(SB3(steps=1024, checkpoints=4, hyperparameters=small("PPO")).learn(GAME, 1, first))
        assert [trained.steps for trained in rest] == [512, 768, 1024]


def test_a_curve_and_diagnostics_are_kept_while_it_learns() -> None:
    trained = quick(train, CournotMarket(horizon=8), "PPO", 1024 + 256)
    assert trained.curve.steps.tolist() == [1024, 1280]
    assert trained.curve.episodes.tolist() == [32 * 4, 32]
    assert trained.curve.total.shape == (2, 3)
    told = trained.diagnostics
    wanted = {"approx_kl", "clip_fraction", "explained_variance", "policy_gradient_loss", "value_loss", "std"}
    assert wanted < set(told)
    assert told["loss"].shape == (5, 3)
    assert (told["n_updates"] == 2 * np.arange(1, 6)[:, None]).all()
    assert quick(train_shared, GAME, "PPO", 512).diagnostics["loss"].shape == (2,)


@pytest.mark.parametrize(
    ("algorithm", "game", "names"),
    [
        ("SAC", GAME, {"actor_loss", "critic_loss", "ent_coef"}),
        ("TD3", GAME, {"actor_loss", "critic_loss"}),
        ("DQN", Echo(), {"loss"}),
    ],
)
def test_off_policy_learners_tell_of_each_update(algorithm: str, game: AbstractGame[Any], names: set[str]) -> None:
    told = quick(train, game, algorithm, 320, checkpoints=2).diagnostics
    assert names < set(told)
    # 5 steps of 32 games in each of 2 stretches; learning begins after more than 64 of all their steps, once.
    assert {values.shape for values in told.values()} == {(8, len(game.agents))}


def test_chance_chooses_in_the_first_stretch_and_not_at_the_beginning_of_each() -> None:
    still = small("DQN") | {"learning_rate": 0.0}
    trained = train(Echo(), "DQN", steps=1280, checkpoints=2, hyperparameters=still)  # 20 steps of 32 games in each
    model = cast(DQN, trained.models[0])
    assert model.replay_buffer is not None
    seen, done = (
        torch.as_tensor(part[:40]) for part in (model.replay_buffer.observations, model.replay_buffer.actions)
    )
    best = model.q_net(seen.reshape(-1, seen.shape[-1]).float()).argmax(-1).reshape(40, 32)
    chosen = (done[..., 0] == best).double().mean(-1)
    assert chosen[:2].mean() < 0.6  # `learning_starts` are 64 steps
    assert chosen[20:22].tolist() == [1.0, 1.0]
    assert chosen[20:].mean() > 0.9  # chance keeps 5 %, and then chooses for all games


def test_no_folder_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    quick(train, GAME, "PPO", 256)
    quick(train, GAME, "SAC", 256)
    assert os.listdir(tmp_path) == []


def test_what_is_saved_holds_optimisers_and_replay_buffers(tmp_path: Path) -> None:
    trained = quick(train, GAME, "SAC", 256)
    trained.save(tmp_path / "policy.zip")
    again: Any = trained.learner.load(tmp_path / "policy.zip", GAME)
    assert acts(again) == acts(trained)
    assert again.models[2].replay_buffer.size() == trained.models[2].replay_buffer.size() > 0  # type: ignore[attr-defined]
    models: list[Any] = [again.models[1], trained.models[1]]
    moments = [model.critic.optimizer.state_dict()["state"][0]["exp_avg"] for model in models]
    assert torch.equal(*moments)
    assert os.listdir(tmp_path) == ["policy.zip"]


def test_a_file_of_another_algorithm_is_refused(tmp_path: Path) -> None:
    quick(train, GAME, "PPO", 64).save(tmp_path / "policy.zip")
    for other in (SB3("SAC"), SharedSB3("PPO")):
        with pytest.raises(ValueError, match=r"`path` must hold what (SB3 SAC|SharedSB3 PPO) learned; got .*: SB3 PPO"):
            other.load(tmp_path / "policy.zip", GAME)


def test_a_save_that_fails_leaves_the_earlier_file_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, trained = tmp_path / "policy.zip", quick(train, GAME, "PPO", 64)
    trained.save(path)
    earlier = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="No space left"):
        trained.save(path)
    assert path.read_bytes() == earlier
    assert os.listdir(tmp_path) == ["policy.zip"]


class TestSettings:
    def test_they_are_the_same_by_content_and_tell_others_apart(self) -> None:
        one, two = (SB3("SAC", steps=9, hyperparameters={"tau": 0.1, "gamma": 0.5}) for _ in range(2))
        assert one == two
        assert hash(one) == hash(two)
        assert fingerprint(one) == fingerprint(two) != fingerprint(replace(one, hyperparameters={"tau": 0.2}))
        assert fingerprint(SB3()) != fingerprint(SharedSB3())

    def test_a_mapping_that_is_changed_later_does_not_change_them(self) -> None:
        given = small("SAC")
        settings = SB3("SAC", hyperparameters=given)
        given["policy_kwargs"]["net_arch"].append(3)
        assert settings.hyperparameters == small("SAC")

    def test_hyperparameters_and_defaults_are_not_changed_by_training(self) -> None:
        given, defaults = small("SAC"), copy.deepcopy(sb3.DEFAULTS)
        train(GAME, "SAC", steps=64, hyperparameters=given)
        assert given == small("SAC")
        train(CournotMarket(cost=(10.0,)), "SAC", steps=32, hyperparameters={"buffer_size": 2048})
        assert defaults == sb3.DEFAULTS

    @pytest.mark.parametrize("make", [SB3, SharedSB3])
    def test_what_is_unknown_or_no_budget_is_refused(self, make: Any) -> None:  # noqa: ANN401
        with pytest.raises(ValueError, match=r"`algorithm` must be one of DQN, PPO, SAC, TD3; got 'PP0'.* 'PPO'"):
            make("PP0")
        with pytest.raises(ValueError, match="`steps` must"):
            make("PPO", steps=0)
        with pytest.raises(ValueError, match="`steps` must be at least 3, one a checkpoint; got 2"):
            make("PPO", steps=2, checkpoints=3)
        with pytest.raises(
            ValueError, match=r"`hyperparameters` must be one of .*got 'lerning_rate'.* 'learning_rate'"
        ):
            make("SAC", hyperparameters={"lerning_rate": 0.1})
        for ours in ("seed", "device", "tensorboard_log"):
            with pytest.raises(ValueError, match=f"`hyperparameters` must be one of .*got '{ours}'"):
                make("PPO", hyperparameters={ours: 1})


class TestSpaces:
    @pytest.mark.parametrize("algorithm", ["SAC", "TD3"])
    def test_choices_are_not_for_learners_of_continuous_actions(self, algorithm: str) -> None:
        message = rf"`game\.action_space` must be Box for {algorithm}; got Discrete\(5\), which PPO and DQN play"
        with pytest.raises(TypeError, match=message):
            SB3(algorithm).check(GridWorld.lava(2))

    def test_boxes_are_not_for_dqn(self) -> None:
        with pytest.raises(TypeError, match=r"must be Discrete for DQN; got Box\(.*\), which PPO and SAC and TD3 play"):
            train(GAME, "DQN", steps=64)

    def test_what_is_no_game_is_refused_with_what_makes_one(self) -> None:
        with pytest.raises(TypeError, match=r"`game` must be a game; got the environment .*`walras\.core\.Foreign"):
            train(cart_pole(), "PPO", steps=64)  # type: ignore[arg-type]

    @pytest.mark.parametrize("algorithm", ["PPO", "DQN"])
    @pytest.mark.parametrize("trainer", [train, train_shared])
    def test_choices_are_learned(self, algorithm: str, trainer: Trainer) -> None:
        learning = {"learning_rate": 3e-3} | ({"learning_starts": 256} if algorithm == "DQN" else {})
        trained = trainer(Echo(), algorithm, 0, steps=6144, hyperparameters=learning)
        assert rollout(Echo(), Random(Echo()), range(50)).total.mean() < 2
        assert rollout(Echo(), trained, range(50)).total.mean() == 4


class TestForeign:
    """Environments from elsewhere, by the learners of the suite."""

    @pytest.mark.parametrize("algorithm", ["PPO", "DQN"])
    def test_an_environment_of_gymnasium_is_learned(self, algorithm: str) -> None:
        game = Foreign(cart_pole, discount=0.98)
        trained = train(game, algorithm, 0, steps=20_480)
        assert rollout(game, Random(game), range(10)).total.mean() < 40
        assert rollout(game, trained, range(10)).total.mean() > 60

    @pytest.mark.parametrize("learner", [mappo, ippo])
    def test_mappo_and_ippo_learn_it(self, learner: Any) -> None:  # noqa: ANN401
        game = Foreign(cart_pole, discount=0.98)
        trained = learner.train(game, 1, steps=30_720, entropy=0.01)
        assert rollout(game, trained.greedy, range(10)).total.mean() > 100

    @pytest.mark.parametrize(
        "trainer",
        [
            partial(quick, train, algorithm="PPO"),
            partial(quick, train_shared, algorithm="DQN"),
            partial(mappo.train, num_envs=4, rollout_steps=8, hidden=(8,)),
        ],
    )
    def test_an_environment_of_pettingzoo_is_learned_and_goes_on_from_a_file(
        self, trainer: Trainer, tmp_path: Path
    ) -> None:
        game = Foreign(spread)
        first = trainer(game=game, steps=256)
        assert first.curve.total.shape[1] == 3
        assert rollout(game, first, [0]).total.shape == (1, 3)
        first.save(tmp_path / "trained.zip")
        loaded = first.learner.load(tmp_path / "trained.zip", game)
        one, two = (trainer(game=game, steps=512, start=start) for start in (first, loaded))
        assert np.array_equal(one.curve.total, two.curve.total, equal_nan=True)
        seen = observations(game)
        assert np.array_equal(*(each.act(seen, np.random.default_rng(0)) for each in (one, two)))


def test_six_thousand_steps_more_than_halve_the_gap() -> None:
    untrained = train(GAME, "PPO", steps=1, hyperparameters={"learning_rate": 0.0})
    trained = train(GAME, "PPO", steps=6144)
    before, after = (gap(GAME, policy, seeds=range(32)).per_step.upper for policy in (untrained, trained))
    assert np.all(before > 100)  # EUR/h; the equilibrium profit is 506.25
    assert np.all(after < 0.5 * before)
    assert np.all(after < 0.1 * 506.25)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_independent_learners_come_within_two_percent_of_the_equilibrium(seed: int) -> None:
    trained = train(GAME, "PPO", seed, steps=40_000)
    equilibrium = solve(GAME)
    assert np.all(gap(GAME, trained, seeds=range(32)).upper < 0.02 * equilibrium.value)
    # A gain below 2 % of 506.25 leaves each within 3.18 MW of its best response, so the total within 3 x 3.18 / 2.
    quantity = rollout(GAME, trained, range(8)).state.quantity[-1]  # where play settles
    np.testing.assert_allclose(quantity.sum(axis=1), 67.5, atol=4.8)
