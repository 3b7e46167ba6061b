"""What the scenarios of teams share: curves, the plain regulator, and the chart of team size."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from walras.core.policy import Policy
from walras.core.solution import Solution
from walras.core.typing import Floats
from walras.envs import MeanFieldLimitLQ, TeamMeanFieldLQ
from walras.equilibria.solve import solve
from walras.equilibria.teams.linear_quadratic import LinearQuadratic, best_response
from walras.equilibria.teams.team_mean_field import (
    TeamEquilibrium,
    deviation_part,
    feedback,
    limit_mean_gap,
    mean_part,
)
from walras.scenarios.engine.results import Results
from walras.scenarios.report import curves
from walras.scenarios.report.charts import LOGARITHMIC, blank_figure

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

SIZES: Floats = np.array([2.0**k for k in range(2, 13)])  # 4 to 4096 agents
DISTANCE = curves.measure_curve(
    "distance",
    "The norm of the difference of a team's gains from the equilibrium's, summed over the stages.",
    "updates",
)
GAP = curves.measure_curve(
    "relative_gap",
    "What a team would gain by its best response over the whole episode, exactly; at zero, no team gains.",
    "updates",
)
COST = curves.measure_curve("reward", "In expectation.", "updates")
LINEAR = {"policy_kwargs": {"net_arch": {"pi": [], "vf": [64, 64]}, "log_std_init": -2.0}, "learning_rate": 3e-4}
"""PPO with a linear policy, so that its gap is exact."""


def regulator(game: MeanFieldLimitLQ) -> Policy:
    """Return the first team's optimal control against a second team that does nothing, and that second team."""
    return feedback(game, *(_alone(part) for part in (deviation_part(game), mean_part(game))))


def regulator_at_its_worst(game: MeanFieldLimitLQ) -> Policy:
    """Return the regulator with the other team's best response to it."""
    return feedback(game, *(_answered(part, _alone(part)) for part in (deviation_part(game), mean_part(game))))


def undisturbed(game: MeanFieldLimitLQ, solution: Solution) -> Policy:
    """Return an equilibrium's control by the first team, while the second does nothing."""
    assert isinstance(solution, TeamEquilibrium)
    own = deviation_part(game).owned[0].stop
    kept = [
        np.concatenate([k[:, :own], np.zeros_like(k[:, own:])], axis=1) for k in (solution.deviation, solution.mean)
    ]
    return feedback(game, *kept)


def _alone(part: LinearQuadratic) -> Floats:
    """Return gains ``[T, P, n]`` of the first player's best response to nothing."""
    gains = np.zeros((part.horizon, part.B.shape[2], part.A.shape[1]))
    gains[:, part.owned[0]] = best_response(part, gains, 0)[0]
    return gains


def _answered(part: LinearQuadratic, gains: Floats) -> Floats:
    """Return ``gains`` with the second player's best response."""
    answered = gains.copy()
    answered[:, part.owned[1]] = best_response(part, gains, 1)[0]
    return answered


def size_chart(instance: Callable[..., TeamMeanFieldLQ], horizon: int, results: Results) -> "Figure":
    """Draw what a team gains where all take the limit's mean for their own, against its size."""
    game = replace(instance(), horizon=horizon)
    found = solve(game)
    assert isinstance(found, TeamEquilibrium)
    gaps = np.array([limit_mean_gap(replace(game, size=int(size)), found.deviation) for size in SIZES])
    figure = blank_figure("gain of an episode", "agents of a team, M", height=440)
    for team, line in enumerate(gaps.T):
        slope, low, high = fitted_slope(SIZES, line)
        name = f"team_{team}: slope {slope:.4f} [{low:.4f}, {high:.4f}]"
        figure.add_scatter(x=SIZES.tolist(), y=line.tolist(), mode="lines+markers", name=name)
    figure.update_xaxes(**LOGARITHMIC)
    figure.update_yaxes(**LOGARITHMIC)
    caption = "Exact. If all take the limit's mean for their own, a team gains by meeting the error; it falls as 1 / M."
    figure.update_layout(meta={"caption": f"{caption} Slopes are least squares with 95 % intervals."})
    return figure


def fitted_slope(x: Floats, y: Floats) -> tuple[float, float, float]:
    """Return the slope of log y against log x by least squares, and its 95 % interval."""
    from scipy.stats import linregress, t

    line: Any = linregress(np.log(x), np.log(y))
    half = float(t.ppf(0.975, len(x) - 2) * line.stderr)
    return float(line.slope), float(line.slope) - half, float(line.slope) + half
