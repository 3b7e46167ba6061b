"""Sequential public goods: what agents give by policies that draw nothing, after anything that was given."""

from dataclasses import dataclass
from typing import Protocol, final

import numpy as np

from walras.core.policy import Constant, Mixed, Policy, Scripted
from walras.core.typing import Floats
from walras.envs.matrix.sequential_public_goods import PublicGoodsState, SequentialPublicGoods
from walras.equilibria.matrix.public_goods import BackwardInduction, Total, constant_totals


class Play(Protocol):
    """What agents do after whatever was given."""

    def path(self, idle: int = -1) -> Floats:
        """Return what is given on the path of play, ``[N]``; an idle agent gives the least."""
        ...

    def finished(self, given: Floats, first: int) -> Floats:
        """Return what all have given in the end, ``[M, N]``, if agents before `first` gave ``given [M, N]``."""
        ...


@final
@dataclass(frozen=True, eq=False)
class KnownPlay:
    """Play of which it is known, as a piecewise linear function, where a contribution leads to."""

    game: SequentialPublicGoods
    policy: "BackwardInduction | Fixed"

    @property
    def totals(self) -> tuple[Total, ...]:
        """What follows after each agent's move, ``[N]``."""
        return self.policy.totals

    def move(self, agent: int, before: Floats) -> Floats:
        """Return the agent's contributions ``[M]`` after ``before [M]`` was given."""
        return self.policy.move(agent, before)

    def path(self, idle: int = -1) -> Floats:
        """Return what is given on the path of play."""
        given = np.zeros(self.game.n)
        for i in range(self.game.n):
            given[i] = self.game.low if i == idle else self.move(i, np.array([given[:i].sum()]))[0]
        return given

    def finished(self, given: Floats, first: int) -> Floats:
        """Let all from `first` on move."""
        given = given.copy()
        for i in range(first, self.game.n):
            given[:, i] = self.move(i, given[:, :i].sum(axis=1))
        return given


@final
@dataclass(frozen=True, eq=False)
class Fixed:
    """Constant contributions, ``[N]``."""

    game: SequentialPublicGoods
    given: Floats

    @property
    def totals(self) -> tuple[Total, ...]:
        """What they lead to."""
        return constant_totals(self.game, self.given)

    def move(self, agent: int, before: Floats) -> Floats:
        """Return the agent's contribution, ``[M]``."""
        return np.full(len(before), self.given[agent])


@final
@dataclass(frozen=True, eq=False)
class SeenPlay:
    """Play by a policy that declares one action for what agents see."""

    game: SequentialPublicGoods
    policy: Mixed

    def path(self, idle: int = -1) -> Floats:
        """Return what is given on the path of play."""
        given = np.zeros((1, self.game.n))
        for i in range(self.game.n):
            given[:, i] = self.game.low if i == idle else self._moved(given, i)
        return given[0]

    def finished(self, given: Floats, first: int) -> Floats:
        """Let all from `first` on move."""
        given = given.copy()
        for i in range(first, self.game.n):
            given[:, i] = self._moved(given, i)
        return given

    def _moved(self, given: Floats, agent: int) -> Floats:
        """Return the agent's contributions, ``[M]``."""
        moves = np.full(len(given), agent)
        before = np.where(np.arange(self.game.n) < agent, given, 0.0)
        _, action = self.policy.mixture(self.game.observe(PublicGoodsState(moves, before)))
        return np.clip(action[:, agent, 0, 0], self.game.low, self.game.high)


def known_play(game: SequentialPublicGoods, policy: Policy) -> KnownPlay | None:
    """Return the play of backward induction or of constant contributions; of other policies none."""
    if isinstance(policy, BackwardInduction) and policy.game == game:
        return KnownPlay(game, policy)
    if isinstance(policy, Scripted):
        policy = Constant(game.scripted(np.zeros((1, game.n, 1)))[0])
    if isinstance(policy, Constant):
        return KnownPlay(game, Fixed(game, np.clip(policy.action[:, 0], game.low, game.high)))
    return None


def pure_play(game: SequentialPublicGoods, policy: Policy) -> Play | None:
    """Return the play of a policy that draws nothing; of others none."""
    known = known_play(game, policy)
    if known is not None or not isinstance(policy, Mixed):
        return known
    start = game.observe(game.reset(np.empty((1, 0))))
    weight, _ = policy.mixture(start)
    return SeenPlay(game, policy) if weight.shape[2] == 1 else None
