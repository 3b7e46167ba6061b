r"""Autobidding market: advertisers with budgets and targets tell the channels that bid for them what to spend.

Description
-----------
Each step is a period. An advertiser cannot bid itself: it hands each of J channels a budget, a target of value for
money, or both. The channel bids in its auctions of the period and hands back value and spend
(`walras.markets.auctions.channels`). Budget and target of the advertiser as a whole bind its expected spend and value
over periods; no channel knows them [1]_. Auctions are drawn anew each period, so that levers move rewards of their own
period alone.

Agents
------
N advertisers, ``advertiser_0`` .. ``advertiser_{N-1}``. One of them meets competing prices that are given (second
price); several are each other's competition, and each channel clears at its first-price pacing equilibrium.

State
-----
The auctions of the last period, values and competing prices ``[B, N, J, K]``, money; levers
``[B, N, A]``, value and spend ``[B, N, J]`` of it, money; all value and spend so far ``[B, N]``, money; periods played
``[B]``.

Action
------
``[B, N, A]``: a budget for each channel, money a period, at most the largest of all advertisers' budgets (`levers`
"budgets"); or a target for each, value per unit of money, up to `most_target` ("targets"); or budgets, then targets
("both").

Observation
-----------
| index | meaning | unit | low | high |
|---|---|---|---|---|
| 0 .. J-1 | value of the last period, by channel | money | 0 | all auctions' |
| J .. 2J-1 | spend of the last period, by channel | money | 0 | all auctions' |
| 2J | what is left of the budget of the episode, as a share; overspent if negative | - | -1 | 1 |
| 2J+1 | periods left, as a share | - | 0 | 1 |

Reward
------
Value won in the period, money; less the spend where `utility` is "quasilinear". That a budget or a target is missed is
not in the reward: `shortfall` and `overspend` tell, and the gap charges for it.

Starting state
--------------
Nothing was bought.

Episode end
-----------
Never terminated; truncated after `horizon` periods.

Parameters
----------
auctions : law of the auctions of a period, `DrawnAuctions` or `KnownAuctions`.
advertisers : N; ignored where the auctions are known, which name values of each.
budgets : money that an advertiser may spend on average a period; one number or one each.
targets : least value for each unit of money, over all channels; 0 for none; one number or one each.
levers : what channels are told: "budgets", "targets" or "both".
utility : "value" for advertisers who want value, "quasilinear" for those who keep what they do not spend.
horizon : periods an episode.
discount : weight of the next reward in a learner's objective, in [0, 1).

Solution
--------
One advertiser: the linear program over all auctions where they are known; the best budgets, by a linear program on a
grid, where they are drawn. Several: budgets split as the pacing equilibrium of all channels together spends them, a
competitive benchmark that is not claimed to be a Nash equilibrium. The scripted rule splits the budget evenly and hands
the target to each channel.

References
----------
[1] Y. Deng, N. Golrezaei, P. Jaillet, J. C. N. Liang, V. Mirrokni, Multi-channel autobidding with budget and ROI
    constraints, ICML 2023.
[2] V. Conitzer, C. Kroer, D. Panigrahi, O. Schrijvers, N. Stier-Moses, E. Sodomka, C. Wilkens, Pacing equilibrium in
    first price auction markets, Management Science 68, 2022.

Version history
---------------
v0: first version.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal, cast, final

import numpy as np
from gymnasium.spaces import Box

from walras.core.checks import (
    per_agent,
    require,
    require_each,
    require_episode,
    require_known,
    require_numbers,
    require_whole,
)
from walras.core.game import AbstractGame, Step
from walras.core.typing import Floats, Image
from walras.envs.auctions.periods import AutobiddingState
from walras.markets.auctions.channels import Auctions, DrawnAuctions, KnownAuctions, handed

LEVERS = ("budgets", "targets", "both")
UTILITIES = ("value", "quasilinear")


@final
@dataclass(frozen=True)
class AutobiddingMarket(AbstractGame[AutobiddingState]):
    """N advertisers, J channels that bid for them, and constraints that only the advertisers know.

    Raises
    ------
    ValueError
        If a parameter is out of range, or no auction can meet a target.
    """

    unit: ClassVar[str] = "money"

    auctions: Auctions = DrawnAuctions()  # noqa: RUF009 - frozen
    advertisers: int = 1
    budgets: tuple[float, ...] | float = 1.2  # [N] money a period
    targets: tuple[float, ...] | float = 3.0  # [N] value for a unit of money
    levers: Literal["budgets", "targets", "both"] = "budgets"
    utility: Literal["value", "quasilinear"] = "value"
    horizon: int = 100
    discount: float = 0.0  # nothing done now moves later rewards

    def __post_init__(self) -> None:
        require_numbers(self)
        require_episode(self.horizon, self.discount)
        law = cast(object, self.auctions)  # what a caller passes
        require(isinstance(law, Auctions), "auctions", "be DrawnAuctions or KnownAuctions", self.auctions)
        if isinstance(self.auctions, KnownAuctions):
            object.__setattr__(self, "advertisers", len(self.auctions.values))
        require_whole(self.advertisers, "advertisers")
        for name in ("budgets", "targets"):
            object.__setattr__(self, name, per_agent(name, getattr(self, name), self.advertisers))
        budgets, targets = np.array(self.budgets), np.array(self.targets)
        require_each((budgets > 0) & np.isfinite(budgets), "budgets", "be positive and finite", budgets)
        require_each((targets >= 0) & np.isfinite(targets), "targets", "be finite and not negative", targets)
        best = self.auctions.best_ratio if self.advertisers == 1 else np.inf
        require_each(targets <= best, "targets", f"be met by some auction, at most {best:g}", targets)
        require_known(self.levers, "levers", LEVERS)
        require_known(self.utility, "utility", UTILITIES)

    @property
    def channels(self) -> int:
        """J."""
        return self.auctions.channels

    @cached_property
    def agents(self) -> tuple[str, ...]:
        """``advertiser_0`` .. ``advertiser_{N-1}``."""
        return tuple(f"advertiser_{i}" for i in range(self.advertisers))

    @cached_property
    def most_target(self) -> float:
        """The largest target that a channel can be given, value for a unit of money.

        No auction has more, so that it stops all buying, unless competing prices come close to zero: then it is ten
        times the largest target of an advertiser, or 10.
        """
        best = self.auctions.best_ratio if self.advertisers == 1 else np.inf
        return 1.1 * best if np.isfinite(best) else 10 * max(1.0, *np.array(self.targets).tolist())

    @cached_property
    def observation_space(self) -> Box:
        """See the module's table."""
        value = self.auctions.most_value
        spend = self.auctions.most_price if self.advertisers == 1 else value
        low = np.concatenate((np.zeros(2 * self.channels), [-1.0, 0.0]))
        return Box(low, np.concatenate((value, spend, [1.0, 1.0])), dtype=np.float64)

    @cached_property
    def action_space(self) -> Box:
        """Budgets, money a period, or targets, value for a unit of money, or both."""
        most = {"budgets": [float(np.max(self.budgets))], "targets": [self.most_target]}
        each = most.get(self.levers, most["budgets"] + most["targets"])
        high = np.repeat(each, self.channels)
        return Box(np.zeros_like(high), high, dtype=np.float64)

    def noise(self, rng: np.random.Generator, steps: int) -> Floats:
        """Uniform numbers of which auctions are made."""
        return rng.random((steps, self.auctions.numbers(self.advertisers)))

    def reset(self, noise: Floats) -> AutobiddingState:
        """Begin before any auction."""
        rows, lots = len(noise), self.auctions.lots(noise, self.advertisers)
        each = np.zeros((rows, self.advertisers))
        return AutobiddingState(
            np.zeros(lots.value.shape),
            np.zeros(lots.value.shape),
            np.zeros((*each.shape, *(self.action_space.shape or ()))),
            np.zeros((*each.shape, self.channels)),
            np.zeros((*each.shape, self.channels)),
            each,
            each.copy(),
            np.zeros(rows, dtype=np.int64),
        )

    def step(self, state: AutobiddingState, action: Floats, noise: Floats) -> Step[AutobiddingState]:
        """Draw the auctions of the period, and let channels bid in them."""
        lots = self.auctions.lots(noise, self.advertisers)
        back = handed(lots, *self.told(action))
        value, spend = back.value.sum(axis=2), back.spend.sum(axis=2)
        after = AutobiddingState(
            np.array(lots.value),
            np.broadcast_to(lots.price[:, None], lots.value.shape).copy(),
            action.copy(),
            back.value,
            back.spend,
            state.all_value + value,
            state.all_spend + spend,
            state.period + 1,
        )
        reward = value - spend if self.utility == "quasilinear" else value
        return Step(after, reward, np.zeros(len(action), dtype=np.bool_))

    def observe(self, state: AutobiddingState) -> Floats:
        """Show each advertiser its own last period, and what is left of money and time."""
        money = np.array(self.budgets) * self.horizon
        left = np.clip(1 - state.all_spend / money, -1.0, 1.0)
        time = np.maximum(1 - state.period / self.horizon, 0.0)
        clock = np.broadcast_to(time[:, None], left.shape)
        seen = np.concatenate((state.value, state.spend, left[..., None], clock[..., None]), axis=2)
        return np.minimum(seen, self.observation_space.high)  # a share that is won may round

    def scripted(self, observation: Floats) -> Floats:
        """Split the budget evenly, and hand the target to each channel."""
        shape = (*observation.shape[:2], self.channels)
        budgets = np.broadcast_to(np.array(self.budgets)[:, None] / self.channels, shape)
        targets = np.broadcast_to(np.minimum(self.targets, self.most_target)[:, None], shape)
        parts = {"budgets": [budgets], "targets": [targets], "both": [budgets, targets]}[self.levers]
        return np.concatenate(parts, axis=2)

    def shortfall(self, value: Floats, spend: Floats) -> Floats:
        """Return by how much value ``[..., N]`` stays below the target's, money."""
        return np.maximum(np.array(self.targets) * spend - value, 0.0)

    def overspend(self, spend: Floats, periods: float = 1.0) -> Floats:
        """Return by how much spend ``[..., N]`` of so many periods exceeds their budget, money."""
        return np.maximum(spend - periods * np.array(self.budgets), 0.0)

    def told(self, action: Floats) -> tuple[Floats, Floats]:
        """Return the budgets and the targets ``[B, N, J]`` that levers ``[B, N, A]`` hand to channels."""
        first, last = action[:, :, : self.channels], action[:, :, -self.channels :]
        none = {"budgets": np.full(first.shape, np.inf), "targets": np.zeros(first.shape)}
        budgets = none["budgets"] if self.levers == "targets" else first
        return budgets, none["targets"] if self.levers == "budgets" else last

    def text(self, state: AutobiddingState) -> str:
        """List the last period by channel, and what there was so far."""
        from walras.envs.auctions.channel_pictures import channels_text

        return channels_text(self.agents, state)

    def image(self, state: AutobiddingState) -> Image:
        """Draw value and spend of the last period by channel."""
        from walras.envs.auctions.channel_pictures import draw_channels

        return draw_channels(self.agents, state)
