import copy
import errno
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete

from walras.agents.sb3 import learners as sb3
from walras.agents.sb3.learners import Learned, load, train, train_shared
from walras.agents.sb3.lockstep import Table
from walras.agents.sb3.rows import Rows, bounded, scaled, seat_rows, shared_rows, unscaled, window
from walras.core import AbstractGame, Vector, rollout
from walras.core.typing import Floats
from walras.envs import CournotMarket, DayAheadMarket, SupplyFunctionMarket
from walras.equilibria import gap, solve

GAME = CournotMarket()
LEARNERS = ["PPO", "SAC", "TD3"]
Trainer = Callable[..., Learned]


def small(algorithm: str) -> dict[str, Any]:
    """Hyperparameters that train tiny networks in no time."""
    nets = {"policy_kwargs": {"net_arch": [8]}}
    if algorithm == "PPO":
        return nets | {"n_steps": 8, "batch_size": 64, "n_epochs": 2}
    return nets | {"learning_starts": 64, "batch_size": 32, "buffer_size": 2048, "gradient_steps": 1}


def observations(game: AbstractGame[Any] = GAME, rows: int = 5) -> Floats:
    return Vector(game, rows).reset(1)


def acts(learned: Learned, game: AbstractGame[Any] = GAME) -> bytes:
    """The bits of the actions."""
    return learned.act(observations(game), np.random.default_rng(0)).tobytes()


def weights(learned: Learned) -> list[bytes]:
    return [
        tensor.numpy().tobytes()
        for model in learned.models
        for tensor in model.policy.state_dict().values()
        if isinstance(tensor, torch.Tensor)
    ]


@pytest.fixture(scope="module")
def ppo() -> Learned:
    return train(GAME, "PPO", 512, seed=0, hyperparameters=small("PPO"))


@pytest.fixture(scope="module")
def sac() -> Learned:
    return train(GAME, "SAC", 512, seed=0, hyperparameters=small("SAC"))


@pytest.mark.parametrize("trainer", [train, train_shared])
@pytest.mark.parametrize("algorithm", LEARNERS)
def test_a_seed_fixes_weights_and_actions_bit_for_bit(algorithm: str, trainer: Trainer) -> None:
    def trained(seed: int) -> Learned:
        return trainer(GAME, algorithm, 512, seed, hyperparameters=small(algorithm))

    one = trained(3)
    np.random.seed(99)  # noqa: NPY002 - global chance must not matter
    torch.manual_seed(99)
    two, other = trained(3), trained(4)
    assert weights(one) == weights(two)
    assert acts(one) == acts(two)
    assert weights(one) != weights(other)
    assert acts(one) != acts(other)


@pytest.mark.parametrize("game", [GAME, SupplyFunctionMarket(), DayAheadMarket()])
def test_every_game_can_be_learned_and_actions_lie_in_its_space(game: AbstractGame[Any]) -> None:
    for trainer, models in ((train, len(game.agents)), (train_shared, 1)):
        learned = trainer(game, "PPO", 256, 0, hyperparameters=small("PPO"))
        assert len(learned.models) == models
        seen = observations(game)
        action = learned.act(seen, np.random.default_rng(0))
        space = bounded(game.action_space)
        assert action.shape == (5, len(game.agents), *space.shape)
        assert np.all((action >= space.low) & (action <= space.high))


def test_independent_learners_differ_and_a_shared_one_tells_agents_apart_by_what_they_see() -> None:
    independent = train(GAME, "PPO", 256, 0, hyperparameters=small("PPO"))
    assert len(set(map(bytes, independent.act(observations()[:1] * 0 + 1, np.random.default_rng(0))[0]))) == 3
    shared = train_shared(GAME, "PPO", 256, 0, hyperparameters=small("PPO"))
    same = np.repeat(observations()[:, :1], 3, axis=1)
    action = shared.act(same, np.random.default_rng(0))
    np.testing.assert_allclose(action, np.repeat(action[:, :1], 3, axis=1), rtol=1e-6)


def test_actions_do_not_depend_on_the_generator(ppo: Learned) -> None:
    one = ppo.act(observations(), np.random.default_rng(0))
    np.testing.assert_array_equal(one, ppo.act(observations(), np.random.default_rng(1)))


def test_experience_is_counted_for_each_agent() -> None:
    # 32 rows x n_steps 8 make an update; 300 steps are rounded up to two of them.
    learned = train(GAME, "PPO", 300, 0, hyperparameters=small("PPO"))
    assert [model.num_timesteps for model in learned.models] == [512, 512, 512]
    shared = train_shared(GAME, "PPO", 300, 0, hyperparameters=small("PPO"))
    assert shared.models[0].num_timesteps == 1536  # 96 rows x 8 steps; 300 x 3 = 900 are rounded up to two updates


def test_the_learner_discounts_as_the_game_says() -> None:
    patient = CournotMarket(discount=0.9)
    for game, discount in ((GAME, 0.0), (patient, 0.9)):
        model: Any = train(game, "PPO", 1, 0, hyperparameters=small("PPO")).models[0]
        assert model.gamma == discount


def test_rewards_are_centred_and_scaled_by_random_play() -> None:
    mean, spread = sb3._reward_scale(GAME, "PPO", 1)
    quantity = np.random.default_rng(5).uniform(0, 100, (200_000, 3))
    reward = GAME.profit(quantity)
    np.testing.assert_allclose(mean, reward.mean(axis=0), rtol=0.2)
    np.testing.assert_allclose(spread, reward.std(axis=0), rtol=0.1)


@pytest.mark.parametrize("which", ["ppo", "sac"])
def test_a_saved_policy_acts_the_same(which: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    learned: Learned = request.getfixturevalue(which)
    learned.save(tmp_path / "policy.zip")
    again = load(tmp_path / "policy.zip", GAME)
    assert acts(again) == acts(learned)
    assert again.algorithm == learned.algorithm
    assert [path.name for path in tmp_path.iterdir()] == ["policy.zip"]


def test_a_saved_shared_policy_acts_the_same(tmp_path: Path) -> None:
    learned = train_shared(GAME, "TD3", 128, 0, hyperparameters=small("TD3"))
    learned.save(tmp_path / "policy.zip")
    assert acts(load(tmp_path / "policy.zip", GAME)) == acts(learned)


@pytest.mark.parametrize("which", ["ppo", "sac"])
def test_continuing_does_not_change_the_start_and_goes_on_from_it(which: str, request: pytest.FixtureRequest) -> None:
    start: Learned = request.getfixturevalue(which)
    before, did = weights(start), acts(start)
    counted = [model.num_timesteps for model in start.models]
    more = train(GAME, start.algorithm, 256, 7, start=start)
    assert weights(start) == before
    assert acts(start) == did
    assert [model.num_timesteps for model in start.models] == counted
    assert weights(more) != before
    frozen = copy.deepcopy(start.models[0].policy.state_dict())
    moved = [float((a - b).abs().max()) for a, b in zip(frozen.values(), _state(more), strict=True)]
    assert max(moved) < 0.5  # near the start, not a new network


def _state(learned: Learned) -> list[torch.Tensor]:
    return list(learned.models[0].policy.state_dict().values())


@pytest.mark.parametrize("which", ["ppo", "sac"])
def test_continuing_from_a_file_equals_continuing_directly(
    which: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    start: Learned = request.getfixturevalue(which)
    start.save(tmp_path / "policy.zip")
    directly = train(GAME, start.algorithm, 256, 7, start=start)
    from_file = train(GAME, start.algorithm, 256, 7, start=load(tmp_path / "policy.zip", GAME))
    assert weights(directly) == weights(from_file)


def test_continuing_a_shared_policy_works() -> None:
    start = train_shared(GAME, "SAC", 128, 0, hyperparameters=small("SAC"))
    before = weights(start)
    more = train_shared(GAME, "SAC", 128, 1, start=start)
    assert weights(start) == before
    assert weights(more) != before


def test_a_start_with_another_number_of_models_is_refused(ppo: Learned) -> None:
    with pytest.raises(ValueError, match="`start` must hold 1 models; got 3"):
        train_shared(GAME, "PPO", 64, 0, start=ppo)


def test_a_start_of_another_algorithm_is_refused(ppo: Learned) -> None:
    with pytest.raises(ValueError, match="`start`"):
        train(GAME, "SAC", 64, 0, start=ppo)


def test_a_start_of_a_game_of_another_shape_is_refused_as_its_file_would_be(ppo: Learned) -> None:
    with pytest.raises(ValueError, match="shape"):
        train(CournotMarket(intercept=300.0), "PPO", 64, 0, start=ppo)


def test_hyperparameters_are_not_dropped_without_a_word_when_continuing(ppo: Learned) -> None:
    try:
        more = train(GAME, "PPO", 256, 0, start=ppo, hyperparameters={"learning_rate": 0.0})
    except ValueError:
        return  # refused: as good as obeyed
    assert weights(more) == weights(ppo)


def test_hyperparameters_and_defaults_are_not_changed() -> None:
    given, defaults = small("SAC"), copy.deepcopy(sb3.DEFAULTS)
    kept = copy.deepcopy(given)
    train(GAME, "SAC", 64, 0, hyperparameters=given)
    assert given == kept
    train(CournotMarket(cost=(10.0,)), "SAC", 32, 0, hyperparameters={"buffer_size": 2048})
    assert defaults == sb3.DEFAULTS


def test_a_file_of_another_format_is_refused(ppo: Learned, tmp_path: Path) -> None:
    path = tmp_path / "policy.zip"
    ppo.save(path)
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    header = json.loads(content["header.json"]) | {"format": 99}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in (content | {"header.json": json.dumps(header)}).items():
            archive.writestr(name, data)
    with pytest.raises(ValueError, match="`path` must hold a policy of format 1; got 99"):
        load(path, GAME)


def test_what_is_not_a_policy_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nothing\.zip"):
        load(tmp_path / "nothing.zip", GAME)
    (tmp_path / "text.zip").write_text("not a policy")
    with pytest.raises(ValueError, match=r"`path` must hold a saved policy; got '.*text\.zip'"):
        load(tmp_path / "text.zip", GAME)
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("something", "else")
    with pytest.raises(ValueError, match=r"`path` must hold a saved policy; got '.*other\.zip'"):
        load(tmp_path / "other.zip", GAME)


def test_half_a_file_is_refused(ppo: Learned, tmp_path: Path) -> None:
    path = tmp_path / "policy.zip"
    ppo.save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match="`path` must hold a saved policy"):
        load(path, GAME)


@pytest.mark.parametrize(
    "game",
    [
        CournotMarket(cost=(10.0, 10.0)),
        CournotMarket(intercept=120.0),
        CournotMarket(cost=(10.0, 20.0, 30.0)),
        SupplyFunctionMarket(),
    ],
)
def test_a_game_of_another_shape_is_refused(game: AbstractGame[Any], ppo: Learned, tmp_path: Path) -> None:
    ppo.save(tmp_path / "policy.zip")
    with pytest.raises(ValueError, match="`game` must have the shape it was trained on"):
        load(tmp_path / "policy.zip", game)


def test_a_save_that_fails_leaves_the_earlier_file_and_nothing_beside_it(
    ppo: Learned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "policy.zip"
    ppo.save(path)
    earlier = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sb3, "_write", full)
    with pytest.raises(OSError, match="No space left"):
        ppo.save(path)
    assert path.read_bytes() == earlier
    assert [p.name for p in tmp_path.iterdir()] == ["policy.zip"]


@pytest.mark.parametrize("trainer", [train, train_shared])
def test_wrong_arguments_are_refused(trainer: Trainer) -> None:
    with pytest.raises(ValueError, match=r"`algorithm` must be one of PPO, SAC, TD3; got 'PP0'.* Did you mean 'PPO'"):
        trainer(GAME, "PP0", 64, 0)
    with pytest.raises(ValueError, match="`steps` must be at least 1; got 0"):
        trainer(GAME, "PPO", 0, 0)


def test_spaces_without_bounds_are_refused() -> None:
    for space in (Discrete(3), Box(-np.inf, np.inf, (2,))):
        with pytest.raises(TypeError, match="`game` must have bounded Box spaces"):
            bounded(space)


def test_what_is_seen_without_bounds_reaches_the_learner_as_it_is() -> None:
    box = Box(np.array([-np.inf, -5.0, 0.0]), np.array([np.inf, 15.0, np.inf]), dtype=np.float64)
    np.testing.assert_allclose(scaled(np.array([37.0, 15.0, 2.5]), window(box)), [37.0, 1.0, 2.5])
    with pytest.raises(TypeError, match="`game` must have Box spaces"):
        window(Discrete(3))


def test_scaling_maps_the_bounds_to_one() -> None:
    box = Box(np.array([-5.0, 0.0, 7.0]), np.array([15.0, 1e4, 7.0]), dtype=np.float64)
    np.testing.assert_array_equal(scaled(box.low, box), [-1, -1, 0])  # the last entry cannot vary
    np.testing.assert_array_equal(scaled(box.high, box), [1, 1, 0])
    np.testing.assert_array_equal(scaled((box.low + box.high) / 2, box), 0)
    assert scaled(box.low, box).dtype == np.float32
    np.testing.assert_array_equal(unscaled(np.full(3, -1.0), box), box.low)
    np.testing.assert_array_equal(unscaled(np.full(3, 1.0), box), box.high)
    np.testing.assert_array_equal(unscaled(np.array([-9.0, 9.0, 0.0]), box), [-5.0, 1e4, 7.0])
    values = np.random.default_rng(0).uniform(box.low, box.high, (50, 3))
    np.testing.assert_allclose(unscaled(scaled(values, box), box), values, atol=1e-2)


def _played(rows: Rows, steps: int) -> list[tuple[Any, ...]]:
    rows.reset()
    outcomes = []
    for k in range(steps):
        rows.step_async(np.full((rows.num_envs, 1), -0.5 + 0.1 * k, dtype=np.float32))
        outcomes.append(rows.step_wait())
    return outcomes


@pytest.mark.parametrize("kind", ["seat", "shared"])
def test_an_episode_that_is_cut_says_so_and_hands_over_its_final_observation(kind: str) -> None:
    game = CournotMarket(cost=(10.0,) if kind == "seat" else (10.0, 20.0), horizon=3)
    scale = np.zeros(len(game.agents)), np.full(len(game.agents), 100.0)
    rows = seat_rows(Table(Vector(game, 4), 0), game, 0, scale) if kind == "seat" else shared_rows(game, 4, scale, 0)
    assert rows.num_envs == 4 * len(game.agents)
    twin = Vector(game, 4)
    seen = twin.reset(0).reshape(rows.num_envs, -1)
    np.testing.assert_array_equal(rows.reset(), scaled(seen, game.observation_space))
    for k, (observation, reward, ended, infos) in enumerate(_played(rows, 7)):
        share = (np.float32(-0.5 + 0.1 * k).astype(np.float64) + 1) / 2
        step = twin.step(np.full((4, len(game.agents), 1), share * game.action_space.high[0]))
        final = scaled(step.final_observation.reshape(rows.num_envs, -1), game.observation_space)
        after = scaled(step.observation.reshape(rows.num_envs, -1), game.observation_space)
        np.testing.assert_array_equal(observation, after)
        np.testing.assert_allclose(reward, step.reward.reshape(-1) / 100, rtol=1e-6)
        assert ended.tolist() == [k % 3 == 2] * rows.num_envs
        for row, info in enumerate(infos):
            if k % 3 == 2:
                assert info["TimeLimit.truncated"] is True
                np.testing.assert_array_equal(info["terminal_observation"], final[row])
                assert not np.array_equal(info["terminal_observation"], observation[row])
            else:
                assert info == {}


def test_the_rows_refuse_to_be_changed() -> None:
    rows = shared_rows(GAME, 2, (np.zeros(3), np.ones(3)), 0)
    with pytest.raises(NotImplementedError, match="share one game"):
        rows.set_attr("horizon", 3)
    with pytest.raises(NotImplementedError, match="share one game"):
        rows.env_method("reset")
    assert rows.env_is_wrapped(object) == [False] * 6


def test_progress_is_shown_only_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    train(GAME, "PPO", 64, 0, hyperparameters=small("PPO"))
    assert capsys.readouterr().err == ""
    train(GAME, "PPO", 64, 0, hyperparameters=small("PPO"), progress=True)
    assert "PPO x 3" in capsys.readouterr().err


def test_six_thousand_steps_more_than_halve_the_gap() -> None:
    untrained = train(GAME, "PPO", 1, seed=0, hyperparameters={"learning_rate": 0.0})
    learned = train(GAME, "PPO", 6144, seed=0)
    before, after = gap(GAME, untrained, range(4)).per_agent, gap(GAME, learned, range(4)).per_agent
    assert np.all(before > 100)  # EUR/h; the equilibrium profit is 506.25
    assert np.all(after < 0.5 * before)
    assert np.all(after < 0.1 * 506.25)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_independent_learners_come_within_two_percent_of_the_equilibrium(seed: int) -> None:
    learned = train(GAME, "PPO", 40_000, seed)
    equilibrium = solve(GAME)
    assert np.all(gap(GAME, learned, range(8)).per_agent < 0.02 * equilibrium.value)
    # A gain below 2 % of 506.25 leaves each within 3.18 MW of its best response, so the total within 3 x 3.18 / 2.
    quantity = rollout(GAME, learned, range(8)).state.quantity[-1]  # where play settles
    np.testing.assert_allclose(quantity.sum(axis=1), 67.5, atol=4.8)


def test_the_saved_file_holds_the_replay_buffer(sac: Learned, tmp_path: Path) -> None:
    sac.save(tmp_path / "policy.zip")
    with zipfile.ZipFile(io.BytesIO((tmp_path / "policy.zip").read_bytes())) as archive:
        assert {"header.json", "model_0", "replay_0", "model_2", "replay_2"} <= set(archive.namelist())
    again: Any = load(tmp_path / "policy.zip", GAME).models[0]
    original: Any = sac.models[0]
    assert again.replay_buffer.size() == original.replay_buffer.size() > 0
    np.testing.assert_array_equal(again.replay_buffer.rewards, original.replay_buffer.rewards)
