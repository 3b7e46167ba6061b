from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from walras.agents.imitation import dm2, magail, pegmarl, pofd
from walras.agents.imitation.demonstrations import collect
from walras.agents.imitation.pegmarl import Config
from walras.agents.ppo import mappo
from walras.core import rollout
from walras.envs import CooperativeNavigation, GridWorld

LAVA = GridWorld.lava(2)
SHOWN = collect(LAVA)
LEARNER = mappo.Config(rows=4, steps=8, hidden=(16,), units="raw")
SMALL = Config(learner=LEARNER)


def weights(trained: mappo.Trained) -> list[Any]:
    return list(trained.learner.actor.state_dict().values())


def test_the_reward_is_that_of_the_paper() -> None:
    """r - eta Dbar log(1 - D) with D = .9, Dbar = .25: 1 + .5 * .25 * 2.302585."""
    logit = torch.log(torch.tensor([0.9 / 0.1]))
    found = Config(eta=0.5).reshaped(torch.tensor([1.0]), logit, torch.log(torch.tensor([0.25 / 0.75])))
    assert found.item() == pytest.approx(1.287823, abs=1e-6)


def test_the_bonus_is_positive_and_falls_where_a_step_leads_elsewhere() -> None:
    acts, leads = torch.linspace(-40, 40, 9)[:, None], torch.linspace(-5, 5, 11)
    bonus = Config(eta=1.0).reshaped(torch.zeros(9, 11), acts, leads)
    assert (bonus >= 0).all()
    assert bonus.isfinite().all()
    assert (bonus.diff(dim=0) > 0).all()
    assert (bonus.diff(dim=1) > 0)[1:].all()


def test_mixing_and_matching_are_those_of_their_papers() -> None:
    reward, logit = torch.tensor([2.0]), torch.log(torch.tensor([3.0]))  # D = 3/4
    assert pofd.Config(eta=0.25).reshaped(reward, logit).item() == pytest.approx(0.75 * 2 + 0.25 * np.log(4))
    assert dm2.Config(eta=0.25).reshaped(reward, logit).item() == pytest.approx(2 + 0.25 * np.log(3))


def test_without_weight_it_is_mappo() -> None:
    guided = pegmarl.train(LAVA, SHOWN, Config(eta=0.0, learner=LEARNER), frames=128)
    plain = mappo.train(LAVA, LEARNER, frames=128)
    assert all(map(torch.equal, weights(guided), weights(plain)))


def test_full_weight_is_imitation() -> None:
    mixture = pofd.train(LAVA, SHOWN, pofd.Config(eta=1.0, learner=LEARNER), frames=96)
    imitation = magail.train(LAVA, SHOWN, magail.Config(learner=LEARNER), frames=96)
    assert all(map(torch.equal, weights(mixture), weights(imitation)))


@pytest.mark.parametrize("module", [pegmarl, pofd, magail, dm2])
def test_training_goes_on_exactly(
    module: Any,  # noqa: ANN401
    tmp_path: Path,
    bits: Callable[[Any], list[Any]],
) -> None:
    config = module.Config(learner=LEARNER)
    whole = module.train(LAVA, SHOWN, config, frames=5 * 32, seed=3)
    part = module.train(LAVA, SHOWN, config, frames=2 * 32, seed=3)
    part.save(tmp_path / "part")
    rest = module.train(LAVA, SHOWN, config, frames=3 * 32, seed=3, start=mappo.load(tmp_path / "part"))
    assert all(map(torch.equal, weights(whole), weights(rest)))
    assert bits(whole.curve) == bits(rest.curve)
    assert _numbers(whole.shaping) == _numbers(rest.shaping)
    assert _numbers(whole.shaping) != _numbers(part.shaping)


def _numbers(value: Any) -> Any:  # noqa: ANN401
    """`value` with its tensors as lists."""
    if isinstance(value, dict):
        return {key: _numbers(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_numbers(entry) for entry in value]
    return value.tolist() if isinstance(value, torch.Tensor) else value


@pytest.mark.parametrize("module", [pegmarl, pofd, magail, dm2])
def test_agents_fly_too(module: Any) -> None:  # noqa: ANN401
    game = CooperativeNavigation.with_wall()
    trained = module.train(game, collect(game, episodes=3), module.Config(learner=LEARNER), frames=64)
    assert rollout(game, trained.policy, [0]).total.shape == (1, 2)


def test_training_goes_on_with_the_settings_of_its_start() -> None:
    start = pegmarl.train(LAVA, SHOWN, SMALL, frames=32)
    assert pegmarl.train(LAVA, SHOWN, frames=32, start=start).config == SMALL.learner


def test_training_does_not_go_on_with_other_settings() -> None:
    start = pegmarl.train(LAVA, SHOWN, SMALL, frames=32)
    for other in (Config(eta=0.1, learner=LEARNER), Config()):
        with pytest.raises(ValueError, match=r"`config` must be that of `start`, walras.*pegmarl Config\(.*eta=0.02"):
            pegmarl.train(LAVA, SHOWN, other, frames=32, start=start)
    with pytest.raises(ValueError, match=r"`start` must be trained by walras.*pofd; got walras.*pegmarl Config"):
        pofd.train(LAVA, SHOWN, frames=32, start=start)
    with pytest.raises(ValueError, match=r"`start` must be trained by walras.agents.imitation.pegmarl; got no guide"):
        pegmarl.train(LAVA, SHOWN, frames=32, start=mappo.train(LAVA, LEARNER, frames=32))
    with pytest.raises(ValueError, match="`demonstrations` must be those of `start`, of hash"):
        pegmarl.train(LAVA, collect(LAVA, quality=0.5), frames=32, start=start)


def test_wrong_demonstrations_are_refused_before_anything_is_played(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mappo, "train", lambda *_, **__: pytest.fail("training began"))
    with pytest.raises(ValueError, match="`demonstrations` must be of this game"):
        pegmarl.train(LAVA, collect(GridWorld.lava(3), episodes=2), SMALL)
    with pytest.raises(ValueError, match="`demonstrations` must hold steps of every agent; got 'none of agent_1'"):
        magail.train(LAVA, SHOWN.of(1))


@pytest.mark.parametrize(
    ("kind", "eta", "rule"),
    [
        (pegmarl.Config, -0.1, "be finite and not negative; got -0.1"),
        (dm2.Config, np.inf, "be finite and not negative; got inf"),
        (pofd.Config, 1.5, r"lie in \[0, 1\]; got 1.5"),
    ],
)
def test_bad_weights_are_refused(kind: Any, eta: float, rule: str) -> None:  # noqa: ANN401
    with pytest.raises(ValueError, match=f"`eta` must {rule}"):
        kind(eta=eta)


# What follows trains as long as the paper's comparison needs: some minutes a run.


def recent_return(trained: mappo.Trained) -> Any:  # noqa: ANN401
    """Mean return of the episodes of the last ten rollouts, after each."""
    curve = trained.curve
    total = np.nan_to_num(curve.total[:, 0]) * curve.episodes
    return np.convolve(total, np.ones(10), "valid") / np.maximum(np.convolve(curve.episodes, np.ones(10), "valid"), 1)


@pytest.mark.slow
def test_guided_agents_cross_the_lava() -> None:
    best = [recent_return(pegmarl.train(LAVA, SHOWN, frames=1_500_000, seed=seed)).max() for seed in range(3)]
    assert (np.array(best) > 8).sum() >= 2
    assert max(best) < 8.38 + 1e-3


@pytest.mark.slow
def test_without_demonstrations_they_do_not() -> None:
    assert recent_return(mappo.train(LAVA, mappo.Config.of_paper(), frames=2_000_000))[-1] <= 0.1


@pytest.mark.slow
def test_imitation_alone_collides() -> None:
    assert recent_return(magail.train(LAVA, SHOWN, frames=2_000_000))[-1] < 0
