from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from walras.agents.imitation import dm2, magail, pegmarl, pofd
from walras.agents.imitation.demonstrations import Demonstrations, collect
from walras.agents.imitation.dm2 import DM2
from walras.agents.imitation.magail import MAGAIL
from walras.agents.imitation.pegmarl import PegMARL
from walras.agents.imitation.pofd import POfD
from walras.agents.ppo import mappo
from walras.agents.ppo.learner import Trained
from walras.agents.ppo.mappo import MAPPO
from walras.core import AbstractGame, rollout
from walras.envs import CooperativeNavigation, GridWorld

LAVA = GridWorld.lava(2)
SHOWN = collect(LAVA)
SMALL: dict[str, Any] = {"num_envs": 4, "rollout_steps": 8, "hidden": (16,)}


def weights(trained: Trained) -> list[Any]:
    return trained.training.parameters


def test_the_reward_is_that_of_the_paper() -> None:
    """r - eta Dbar log(1 - D) with D = .9, Dbar = .25: 1 + .5 * .25 * 2.302585."""
    logit = torch.log(torch.tensor([0.9 / 0.1]))
    learner = PegMARL(SHOWN, eta=0.5)
    found = learner.reshaped(torch.tensor([1.0]), logit, torch.log(torch.tensor([0.25 / 0.75])))
    assert found.item() == pytest.approx(1.287823, abs=1e-6)


def test_the_bonus_is_positive_and_falls_where_a_step_leads_elsewhere() -> None:
    acts, leads = torch.linspace(-40, 40, 9)[:, None], torch.linspace(-5, 5, 11)
    bonus = PegMARL(SHOWN, eta=1.0).reshaped(torch.zeros(9, 11), acts, leads)
    assert (bonus >= 0).all()
    assert bonus.isfinite().all()
    assert (bonus.diff(dim=0) > 0).all()
    assert (bonus.diff(dim=1) > 0)[1:].all()


def test_mixing_and_matching_are_those_of_their_papers() -> None:
    reward, logit = torch.tensor([2.0]), torch.log(torch.tensor([3.0]))  # D = 3/4
    assert POfD(SHOWN, eta=0.25).reshaped(reward, logit).item() == pytest.approx(0.75 * 2 + 0.25 * np.log(4))
    assert DM2(SHOWN, eta=0.25).reshaped(reward, logit).item() == pytest.approx(2 + 0.25 * np.log(3))


def test_the_learner_within_is_that_of_the_paper() -> None:
    paper, guided = vars(MAPPO.of_paper()), vars(PegMARL(SHOWN))
    assert {name: guided[name] for name in paper} == {**paper, "steps": 2_500_000}


def test_without_weight_it_is_mappo() -> None:
    guided = pegmarl.train(LAVA, SHOWN, eta=0.0, steps=128, **SMALL)
    plain = mappo.train(LAVA, **vars(MAPPO.of_paper(steps=128, **SMALL)))
    assert all(map(torch.equal, weights(guided), weights(plain)))


def test_full_weight_is_imitation() -> None:
    mixture = pofd.train(LAVA, SHOWN, eta=1.0, steps=96, **SMALL)
    imitation = magail.train(LAVA, SHOWN, steps=96, **SMALL)
    assert all(map(torch.equal, weights(mixture), weights(imitation)))


@pytest.mark.parametrize("module", [pegmarl, pofd, magail, dm2])
def test_agents_fly_too(module: Any) -> None:  # noqa: ANN401
    game = CooperativeNavigation.with_wall()
    trained = module.train(game, collect(game, episodes=3), steps=64, **SMALL)
    assert rollout(game, trained, [0]).total.shape == (1, 2)


@pytest.mark.parametrize(
    ("module", "names"),
    [
        (pegmarl, ["behaviour_loss", "transition_loss"]),
        (pofd, ["behaviour_loss"]),
        (magail, ["behaviour_loss"]),
        (dm2, ["own_state_loss"]),
    ],
)
def test_losses_of_discriminators_are_kept_and_fall(module: Any, names: list[str]) -> None:  # noqa: ANN401
    told = module.train(LAVA, SHOWN, steps=320, **SMALL).diagnostics
    assert [name for name in told if name.endswith("_loss") and name not in ("policy_loss", "value_loss")] == names
    for name in names:
        assert told[name].shape == (10, 2)
        assert told[name][0].max() < 2.2  # near 2 log 2 before anything is known
        assert (told[name][-1] < told[name][0]).all()


def test_each_seed_has_demonstrations_of_its_own_made_once() -> None:
    made = list[int]()

    def show(game: AbstractGame[Any], *, seed: int) -> Demonstrations:
        made.append(seed)
        return collect(game, 0.5, 5, seed)

    learner = PegMARL(show, steps=128, checkpoints=2, **SMALL)
    _, first, last = learner.learn(LAVA, 7)
    assert made == [7]
    (rest,) = learner.learn(LAVA, 7, first)
    assert made == [7]
    assert all(map(torch.equal, weights(rest), weights(last)))
    same = pegmarl.train(LAVA, collect(LAVA, 0.5, 5, 7), 7, steps=128, **SMALL)
    assert all(map(torch.equal, weights(last), weights(same)))
    with pytest.raises(TypeError, match=r"must be made of what a module defines; got .*show"):
        first.save("nowhere.pt")


def test_training_does_not_go_on_with_other_settings_or_demonstrations() -> None:
    start = pegmarl.train(LAVA, SHOWN, steps=32, **SMALL)
    assert pegmarl.train(LAVA, collect(LAVA), steps=64, start=start, **SMALL).steps == 64  # equal is the same
    refused = r"`start` must be trained by these settings, PegMARL\(.*; got PegMARL\(.*"
    for shown, changed in (
        (SHOWN, {"eta": 0.1}),
        (SHOWN, {"epochs": 3}),
        (collect(LAVA, quality=0.5), {}),
        (partial(collect, quality=0.5), {}),
    ):
        with pytest.raises(ValueError, match=refused):
            pegmarl.train(LAVA, shown, start=start, **SMALL, **changed)
    with pytest.raises(ValueError, match=r"`start` must be trained by these settings, POfD\(.*; got PegMARL"):
        pofd.train(LAVA, SHOWN, start=start, **SMALL)
    plain = mappo.train(LAVA, steps=32, **SMALL)
    with pytest.raises(ValueError, match=r"`start` must be trained by these settings, PegMARL\(.*; got MAPPO"):
        pegmarl.train(LAVA, SHOWN, start=plain, **SMALL)


def test_wrong_demonstrations_are_refused_before_anything_is_played() -> None:
    with pytest.raises(ValueError, match="`demonstrations` must be of this game"):
        PegMARL(collect(GridWorld.lava(3), episodes=2)).learn(LAVA, 0)
    with pytest.raises(ValueError, match="`demonstrations` must hold steps of every agent; got 'none of agent_1'"):
        MAGAIL(SHOWN.of(1)).learn(LAVA, 0)
    with pytest.raises(ValueError, match="`demonstrations` must be of this game"):
        PegMARL(lambda game, seed: collect(GridWorld.lava(3), episodes=2)).learn(LAVA, 0)


@pytest.mark.parametrize(
    ("kind", "eta", "rule"),
    [
        (PegMARL, -0.1, "be finite and not negative; got -0.1"),
        (DM2, np.inf, "be finite and not negative; got inf"),
        (POfD, 1.5, r"lie in \[0, 1\]; got 1.5"),
    ],
)
def test_bad_weights_are_refused(kind: Any, eta: float, rule: str) -> None:  # noqa: ANN401
    with pytest.raises(ValueError, match=f"`eta` must {rule}"):
        kind(SHOWN, eta=eta)


@pytest.mark.parametrize("kind", [PegMARL, POfD, MAGAIL, DM2])
def test_other_bad_settings_are_refused_too(kind: Any) -> None:  # noqa: ANN401
    with pytest.raises(ValueError, match="`clip` must be positive and finite; got 0"):
        kind(SHOWN, clip=0.0)


# What follows trains as long as the paper's comparison needs: some minutes a run.


def recent_return(trained: Trained) -> Any:  # noqa: ANN401
    """Mean return of the episodes of the last ten rollouts, after each."""
    curve = trained.curve
    total = np.nan_to_num(curve.total[:, 0]) * curve.episodes
    return np.convolve(total, np.ones(10), "valid") / np.maximum(np.convolve(curve.episodes, np.ones(10), "valid"), 1)


@pytest.mark.slow
def test_guided_agents_cross_the_lava() -> None:
    best = [recent_return(pegmarl.train(LAVA, SHOWN, seed, steps=1_500_000)).max() for seed in range(3)]
    assert (np.array(best) > 8).sum() >= 2
    assert max(best) < 8.38 + 1e-3


@pytest.mark.slow
def test_without_demonstrations_they_do_not() -> None:
    assert recent_return(mappo.train(LAVA, **vars(MAPPO.of_paper(steps=2_000_000))))[-1] <= 0.1


@pytest.mark.slow
def test_imitation_alone_collides() -> None:
    assert recent_return(magail.train(LAVA, SHOWN, steps=2_000_000))[-1] < 0
