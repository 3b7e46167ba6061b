r"""One training loop for all learned mechanisms: the largest Nash welfare at a given exploitability.

.. math:: \max_\theta \; \mathrm{E} \, \log \mathrm{NSW}(f_\theta(t); t) \quad\text{s.t.}\quad
          \mathrm{E} \Big[ \frac{u_i(f_\theta(t'_i, t_{-i}); t_i)}{u_i(f_\theta(t); t_i)} - 1 \Big]^+ \le \epsilon,

with :math:`t'_i` agent i's best misreport, by the augmented Lagrangian [1]_: its multiplier rises while the mean of the
constraint is above :math:`\epsilon`. Misreports are searched by `walras.mechanisms.exploitability` and are held
fixed in the step of the weights, which is the gradient of the maximum (Danskin); it flows through both outcomes.

Profiles come from a pool, which keeps the best misreport found for each agent, so that a search goes on at its next
visit. At each step one agent of each profile deviates, drawn at random: an unbiased estimate of the mean over agents
for a fraction of the cost.

References
----------
[1] P. Dutting, Z. Feng, H. Narasimhan, D. Parkes, S. Ravindranath, Optimal auctions through deep learning, ICML 2019.
"""

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn
from tqdm import tqdm

from walras.core.checks import require, require_known
from walras.core.identity import fingerprint
from walras.mechanisms.learned.distributions import Population
from walras.mechanisms.learned.rules import ExPFNet, ExSNet, RPFNet
from walras.mechanisms.learned.storage import damaged, read_checked, write_checked
from walras.mechanisms.problem import AllocationProblem, log_nash_welfare, utility
from walras.mechanisms.reports import (
    MISREPORTS,
    Game,
    centred,
    demand_box,
    deviated,
    earned,
    everyone,
    log_values,
    picked,
    repeated,
)
from walras.mechanisms.rules import ProportionalFairness
from walras.mechanisms.search import climb, scattered

Net = TypeVar("Net", bound=RPFNet | ExPFNet | ExSNet)
MEMORY = 0.95  # of the running mean that moves the multiplier
STRIDE = 0.2  # first step of a climb


@dataclass(frozen=True)
class FitSettings:
    """What is trained for, and how long.

    Parameters
    ----------
    target : float
        Relative exploitability allowed, on average over agents and profiles.
    steps : int
        Steps of Adam.
    batch, profiles : int
        Profiles in a step, and in the pool.
    misreports, max_demand
        The misreports that are feared, as in `exploitability`.
    candidates, climbs : int
        Reports of each of three kinds that are tried at a visit, and gradient steps from the best.
    learning_rate : float, optional
        Falls to zero along half a cosine; the mechanism's own by default.
    penalty : float
        Weight of the squared violation; the multiplier moves at `pace` times it.
    save_every : int
        Steps between checkpoints.

    Raises
    ------
    ValueError
        If a number is out of range.
    """

    target: float = 0.05
    steps: int = 500
    batch: int = 128
    profiles: int = 512
    misreports: str = "values+demands"
    max_demand: float = 1.0
    candidates: int = 6
    climbs: int = 2
    learning_rate: float | None = None
    penalty: float = 20.0
    pace: float = 0.05
    save_every: int = 100

    def __post_init__(self) -> None:
        require_known(self.misreports, "misreports", MISREPORTS)
        require(self.target >= 0, "target", "not be negative", self.target)
        for name in ("steps", "batch", "profiles", "candidates", "save_every"):
            require(getattr(self, name) >= 1, name, "be at least 1", getattr(self, name))
        require(self.climbs >= 0, "climbs", "not be negative", self.climbs)
        for name in ("max_demand", "penalty", "pace"):
            require(getattr(self, name) > 0, name, "be positive", getattr(self, name))
        rate = self.learning_rate
        require(rate is None or rate > 0, "learning_rate", "be positive", rate)


@dataclass(frozen=True, eq=False)
class Fitted(Generic[Net]):
    """A trained mechanism and the course of its training."""

    mechanism: Net
    history: dict[str, list[float]]  # a number a step: log Nash welfare below the largest, exploitability, multiplier


def fit(
    mechanism: Net,
    population: Population,
    settings: FitSettings | None = None,
    *,
    seed: int = 0,
    folder: Path | str | None = None,
    progress: bool = True,
) -> Fitted[Net]:
    """Train a copy of `mechanism`.

    Parameters
    ----------
    mechanism : RPFNet, ExPFNet or ExSNet
        Where training starts.
    population : Population
        What profiles are drawn from.
    settings : FitSettings, optional
        Goal and length.
    seed : int
        Of the pool and of all that is random later.
    folder : path, optional
        Where checkpoints go. A training that was cut off goes on from the last one, to the same weights.
    progress : bool
        Show a bar.

    Raises
    ------
    ValueError
        If `folder` holds the checkpoint of another training or version, or a damaged one.
    TypeError
        If `folder` is given and the population has no content that `walras.core.fingerprint` can tell.

    Examples
    --------
    >>> from walras.mechanisms import Types, ExSNet, FitSettings, fit
    >>> trained = fit(ExSNet(), Types(3, 2), FitSettings(steps=2, profiles=16, batch=4), progress=False)
    >>> len(trained.history["exploitability"])
    2
    """
    chosen = settings or FitSettings()
    run = _Run(copy.deepcopy(mechanism), chosen, seed, _pool(population, chosen, seed))
    path = None if folder is None else Path(folder) / "fit.pt"
    identity = {} if path is None else _identity(mechanism, population, chosen, seed)
    if path is not None and path.exists():
        _go_on(run, path, identity)
    with tqdm(total=chosen.steps, initial=run.step, disable=not progress, unit="step") as bar:
        while run.step < chosen.steps:
            run.advance()
            bar.update()
            bar.set_postfix({name: f"{values[-1]:.4f}" for name, values in run.history.items()})
            if path is not None and (run.step % chosen.save_every == 0 or run.step == chosen.steps):
                write_checked(path, "training", {"identity": identity, **run.state()})
    return Fitted(run.mechanism.requires_grad_(False), run.history)


def _identity(mechanism: nn.Module, population: Population, settings: FitSettings, seed: int) -> dict[str, str]:
    """Return the fingerprints of all that decides a training."""
    decides = {"mechanism": mechanism, "population": population, "settings": settings, "seed": seed}
    return {name: fingerprint(thing) for name, thing in decides.items()}


def _go_on(run: "_Run[Any]", path: Path, identity: Mapping[str, str]) -> None:
    """Go on from the checkpoint at `path`, of the training of this `identity`."""
    content = read_checked(path, "training")
    known = content.get("identity") or {}
    other = ", ".join(name for name, digest in identity.items() if known.get(name) != digest)
    require(not other, "folder", "hold a training of this mechanism, population, settings and seed", f"another {other}")
    try:
        run.load(content)
    except (KeyError, RuntimeError, TypeError, ValueError) as failure:
        raise damaged(path, "training", failure) from failure


@dataclass
class Pool:
    """Profiles, their largest Nash welfare, and the best misreport known of each agent."""

    types: AllocationProblem  # [P, ...]
    welfare: Tensor  # [P] log
    values: Tensor  # [P, N, M] log-values reported
    demands: Tensor  # [P, N, M]
    low: Tensor  # [P, N, M] least demand that may be reported
    high: Tensor  # [P, N, M] largest


def _pool(population: Population, settings: FitSettings, seed: int) -> Pool:
    types = population.sample(settings.profiles, torch.Generator().manual_seed(seed))
    low, high = demand_box(types.demands, settings.misreports, settings.max_demand)
    fair = utility(ProportionalFairness()(*types), types.values, types.demands)
    weight = fair.shape[1] if types.weights is None else types.weights.sum(dim=-1)
    welfare = log_nash_welfare(fair, types.weights) / weight
    return Pool(types, welfare, log_values(types.values), types.demands.clone(), low, high)


@dataclass
class _Run(Generic[Net]):
    """All that changes in training."""

    mechanism: Net
    settings: FitSettings
    seed: int
    pool: Pool
    step: int = 0
    multiplier: float = 5.0
    running: float = math.nan
    history: dict[str, list[float]] = field(
        default_factory=lambda: {"welfare": [], "exploitability": [], "multiplier": []}
    )

    def __post_init__(self) -> None:
        self.rate = self.settings.learning_rate or self.mechanism.learning_rate
        self.optimiser = torch.optim.Adam(self.mechanism.parameters(), lr=self.rate)
        self.draw = torch.Generator().manual_seed(self.seed + 1)

    def advance(self) -> None:
        """Search misreports for a batch, then take one step of the weights."""
        profile, agent = self._visit()
        game = self._game(profile, agent)
        self.mechanism.requires_grad_(False)
        logs, demands = self._search(game, self.pool.values[profile, agent], self.pool.demands[profile, agent])
        self.mechanism.requires_grad_(True)
        self.pool.values[profile, agent], self.pool.demands[profile, agent] = logs, demands
        welfare, gain = self._outcomes(game, logs, demands)
        self._learn((welfare - self.pool.welfare[profile]).mean(), gain.mean())

    def state(self) -> dict[str, Any]:
        """Return all of it, for `load`."""
        return {
            "weights": self.mechanism.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "draw": self.draw.get_state(),
            "misreports": (self.pool.values, self.pool.demands),
            "scalars": (self.step, self.multiplier, self.running),
            "history": self.history,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from `state`.

        Raises
        ------
        KeyError, RuntimeError, TypeError, ValueError
            If `state` is not that of such a training.
        """
        self.mechanism.load_state_dict(state["weights"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.draw.set_state(state["draw"])
        self.pool = replace(self.pool, values=state["misreports"][0], demands=state["misreports"][1])
        self.step, self.multiplier, self.running = state["scalars"]
        self.history = state["history"]

    def _visit(self) -> tuple[Tensor, Tensor]:
        size, agents = self.pool.welfare.shape[0], self.pool.values.shape[1]
        rows = min(self.settings.batch, size)
        profile = torch.randperm(size, generator=self.draw)[:rows]
        return profile, torch.randint(agents, (rows,), generator=self.draw)

    def _game(self, profile: Tensor, agent: Tensor) -> Game:
        types = AllocationProblem(*(None if part is None else part[profile] for part in self.pool.types))  # type: ignore[arg-type]
        whole = everyone(types, (types.values, types.demands), (self.pool.low[profile], self.pool.high[profile]))
        mine = torch.arange(len(profile)) * types.values.shape[1] + agent
        return picked(whole, mine)

    def _search(self, game: Game, logs: Tensor, demands: Tensor) -> tuple[Tensor, Tensor]:
        """Return the best report found, after a short climb."""
        values, asked = self._tries(game, logs, demands)
        with torch.no_grad():
            scores = earned(self.mechanism, repeated(game, len(values)), values.flatten(0, 1), asked.flatten(0, 1))
        best, rows = scores.reshape(len(values), -1).argmax(dim=0), torch.arange(len(logs))
        return climb(self.mechanism, game, values[best, rows], asked[best, rows], self.settings.climbs, STRIDE)[:2]

    def _tries(self, game: Game, logs: Tensor, demands: Tensor) -> tuple[Tensor, Tensor]:
        """Return reports ``[C, R, M]``: the known one, then as many near it, anywhere, and learned from the others.

        What serves one agent serves many: half of the last are reports that another row knows, half what it adds to
        its truth.
        """
        count, shape = self.settings.candidates, logs.shape
        anywhere = scattered(game, count, self.draw)
        moves = torch.randn((2, count, *shape), generator=self.draw, dtype=logs.dtype)
        others = torch.stack([torch.randperm(shape[0], generator=self.draw) for _ in range(count)])
        truth, half = (log_values(game.value), game.demand), count // 2
        lent = [
            torch.cat([known[others[:half]], true + (known - true)[others[half:]]])
            for known, true in zip((logs, demands), truth, strict=True)
        ]
        values = torch.cat([logs[None], logs + 0.4 * moves[0], anywhere[0], lent[0]])
        asked = torch.cat([demands[None], demands + 0.15 * (game.high - game.low) * moves[1], anywhere[1], lent[1]])
        return centred(values), torch.minimum(torch.maximum(asked, game.low), game.high)

    def _outcomes(self, game: Game, logs: Tensor, demands: Tensor) -> tuple[Tensor, Tensor]:
        """Return log-welfare under truth and the relative gain of the misreports, ``[R]`` each."""
        rows = torch.arange(len(logs))
        v, x = deviated(game, logs, demands)
        both = self.mechanism(
            torch.cat([game.values, v]),
            torch.cat([game.demands, x]),
            game.budgets.repeat(2, 1),
            game.weights.repeat(2, 1),
        )
        honest = utility(both[: len(rows)], game.values, game.demands)
        got = both[len(rows) :][rows, game.agent]
        gain = (game.value * torch.minimum(got, game.demand)).sum(dim=1) / honest[rows, game.agent] - 1
        return log_nash_welfare(honest, game.weights) / game.weights.sum(dim=1), gain.clamp(min=0)

    def _learn(self, welfare: Tensor, gain: Tensor) -> None:
        s, excess = self.settings, gain - self.settings.target
        loss = -welfare + self.multiplier * excess + s.penalty / 2 * excess.clamp(min=0) ** 2
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate * (1 + math.cos(math.pi * self.step / s.steps)) / 2
        self.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.mechanism.parameters(), 1.0)
        self.optimiser.step()
        now = gain.item()
        self.running = now if math.isnan(self.running) else MEMORY * self.running + (1 - MEMORY) * now
        self.multiplier = max(0.0, self.multiplier + s.pace * s.penalty * (self.running - s.target))
        self.step += 1
        for name, value in zip(self.history, (welfare.item(), now, self.multiplier), strict=True):
            self.history[name].append(value)
