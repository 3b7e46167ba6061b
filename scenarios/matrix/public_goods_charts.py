"""Charts of public goods: three solutions as the game changes, and what agents answer to what was given."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from walras.core.typing import Floats
from walras.envs.matrix.sequential_public_goods import SequentialPublicGoods
from walras.equilibria.audit import declared
from walras.equilibria.gap import gap
from walras.equilibria.matrix.public_goods import BackwardInduction, solve_public_goods, solve_subgame_perfect
from walras.equilibria.matrix.public_goods_optimum import joint_optimum
from walras.equilibria.matrix.public_goods_play import pure_play
from walras.scenarios.engine.results import Results
from walras.scenarios.matrix.charts import learned_of
from walras.scenarios.report.charts import INK, VERMILION, add_menu, agent_colour, band, blank_figure

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

LEARNED = "learned"
"""The method whose answers are drawn."""
POINTS = 41
"""Values of a parameter, and sums that were given, that are drawn."""
NOTHING = 1e-9
"""Gain, as a share of what is at stake, up to which contributions are an equilibrium."""
SOLUTIONS = ("subgame-perfect equilibrium", "equilibrium of unseen contributions", "joint optimum")
_COLOURS = (VERMILION, "#0072B2", INK)


def given_chart(game: SequentialPublicGoods, results: Results) -> "Figure":
    """Draw what all give together in three solutions, against the parameters in turn."""
    return _against(game, lambda _, given: float(given.sum()), "given by all")


def welfare_chart(game: SequentialPublicGoods, results: Results) -> "Figure":
    """Draw the sum of payoffs in three solutions, against the parameters in turn."""
    return _against(game, lambda changed, given: float(changed.payoff(given).sum()), "sum of payoffs")


def changes(game: SequentialPublicGoods) -> Mapping[str, tuple[Floats, SequentialPublicGoods]]:
    """Return the values of each parameter that changes, and the game of which it is one.

    A penalty matters where there is a threshold: half of the largest total, in a game that has none.
    """
    met = game if game.threshold else replace(game, threshold=game.n * game.high / 2)
    return {
        "rho": (np.linspace(0, 1.2 * game.n * game.k * game.high, POINTS), game),
        "gamma": (np.linspace(0, game.k / max(game.n - 1, 1), POINTS), game),
        "penalty": (np.linspace(0, game.k * game.high**2, POINTS), met),
    }


def solutions(game: SequentialPublicGoods) -> tuple[Floats, ...]:
    """Return the contributions of the three solutions, ``[N]`` each; NaN where none was found."""
    unseen = replace(game, observation="none")
    alone = solve_public_goods(unseen)
    holds = gap(unseen, alone.policy).relative.upper.max() <= NOTHING
    return (
        solve_subgame_perfect(game).contribution,
        alone.contribution if holds else np.full(game.n, np.nan),
        joint_optimum(game),
    )


def answers_chart(results: Results) -> "Figure":
    """Draw what each later agent gives after each sum, as learned and in the subgame-perfect equilibrium.

    Raises
    ------
    FileNotFoundError
        If the run's cells are gone.
    """
    found = learned_of(results, LEARNED)
    game = found[0].game
    assert isinstance(game, SequentialPublicGoods)
    plays = [pure_play(game, declared(each)) for each in found]
    figure = blank_figure("contribution", "given before", height=440)
    for i in range(1, game.n):
        before = np.linspace(i * game.low, i * game.high, POINTS)
        pasts = np.zeros((POINTS, game.n))
        pasts[:, :i] = before[:, None] / i
        learned = np.array([play.finished(pasts, i)[:, i] for play in plays if play is not None])
        best = BackwardInduction(game).move(i, before)
        agent, x = game.agents[i], before.tolist()
        low, middle, high = np.quantile(learned, [0.25, 0.5, 0.75], axis=0).tolist()
        colour = agent_colour(results, agent)
        figure.add_traces(band({"x": x}, low, high, colour, agent))
        line = {"color": colour, "width": 2.2}
        figure.add_scatter(x=x, y=middle, mode="lines", line=line, name=f"{agent}, learned", legendgroup=agent)
        dashed = {"color": colour, "width": 1.6, "dash": "dash"}
        figure.add_scatter(x=x, y=best.tolist(), mode="lines", line=dashed, name=f"{agent}, equilibrium")
    caption = (
        "Lines are medians over the seeds, bands the quartiles; dashed, the subgame-perfect equilibrium. What is"
        " learned is tried out near the path of play alone, and may be anything elsewhere."
    )
    figure.update_layout(meta={"caption": caption})
    return figure


def _against(
    game: SequentialPublicGoods, number: Callable[[SequentialPublicGoods, Floats], float], title: str
) -> "Figure":
    """Draw a number of the three solutions against each parameter, which a menu chooses."""
    swept = changes(game)
    figure = blank_figure(title, "value of the parameter", height=440)
    for name, (values, base) in swept.items():
        games = [replace(base, **{name: float(value)}) for value in values]
        each = [[number(changed, given) for given in solutions(changed)] for changed in games]
        for k, solution in enumerate(SOLUTIONS):
            line = {"color": _COLOURS[k], "width": 2.2, "dash": ("solid", "dot", "dash")[k]}
            y = [row[k] if np.isfinite(row[k]) else None for row in each]
            hover = f"{name} %{{x:.3g}}: %{{y:.4g}}"
            figure.add_scatter(x=values.tolist(), y=y, mode="lines", line=line, name=solution, hovertemplate=hover)
    add_menu(figure, list(swept), each=len(SOLUTIONS))
    met = swept["penalty"][1].threshold
    caption = (
        f"The other parameters are the run's; against the penalty the threshold is {met:g}. A line has a hole where no"
        " equilibrium of unseen contributions was found."
    )
    figure.update_layout(meta={"caption": caption})
    return figure
