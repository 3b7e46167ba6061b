"""Learning meets theory: the tables of docs/results.md.

Run: ``python benchmarks/learning.py [FILE]``. Runs the scenarios `cournot` and `supply_function` at their defaults
(five seeds), or finds them finished in ``runs/``, and prints each learner's distance from the Nash equilibrium. With
FILE, the table of Spanish hours (see `walras.markets.electricity.data.load_spain`), also a week and a year of
`day_ahead`.
"""

import json
import sys
from pathlib import Path
from typing import Any

from walras.scenarios.engine.catalogue import Source
from walras.scenarios.engine.runner import run


def finished(scenario: str, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - the scenario's fields
    """Return the summary of a scenario's run."""
    folder = run(Source(scenario, fields), Path("runs"))
    return json.loads((folder / "summary.json").read_text())


def interval(values: dict[str, float], unit: float, digits: int) -> str:
    """Return an interquartile mean and its interval, in units of `unit`."""
    mean, low, high = (values[name] / unit for name in ("mean", "low", "high"))
    return f"{mean:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def oligopoly(scenario: str) -> None:
    """Print gap and distance of the learners of one oligopoly."""
    summary = finished(scenario)
    learned, profit = summary["methods"]["learned"]["agents"], summary["equilibrium"]["value"]
    print(f"\n{scenario}: {summary['seeds']} seeds, interquartile mean [95 % interval]\n")
    print(
        "| firm | equilibrium profit EUR/h | gap, at least EUR/h | at most EUR/h | at most, % of profit "
        "| worst seed, at most, % | distance, % of action space |"
    )
    print("|---|---|---|---|---|---|---|")
    for firm, value in profit.items():
        low, high, distance = (learned[name][firm] for name in ("gap", "gap_upper", "distance"))
        worst = 100 * max(high["seeds"]) / value
        ends = interval(low, 1, 2), interval(high, 1, 2), interval(high, value / 100, 2)
        print(f"| {firm} | {value:.2f} | {' | '.join(ends)} | {worst:.2f} | {interval(distance, 0.01, 1)} |")


def day_ahead(data: str, hours: int, start: str) -> None:
    """Print the price errors, mark-ups and gaps of an evaluation on recorded hours."""
    summary = finished("day_ahead", data=data, hours=hours, start=start)
    print(f"\nday_ahead, {hours} hours from {start}\n")
    print("| price path | MAE EUR/MWh | of the standard naive | RMSE EUR/MWh | CRPS EUR/MWh |\n|---|---|---|---|---|")
    for name, error in sorted(summary["price_error"].items(), key=lambda item: item[1]["mae"]):
        score = "" if error["crps"] is None else f"{error['crps']:.2f}"
        print(f"| {name} | {error['mae']:.2f} | {error['rmae']:.2f} | {error['rmse']:.2f} | {score} |")
    learned = summary["methods"]["learned"]
    print(f"\nmarkup of learned offers, % of price: {interval(learned['market']['markup'], 0.01, 1)}\n")
    print("| seller | gap, at least, % of the stake | at most, % | Lerner index |\n|---|---|---|---|")
    for agent in summary["agents"]:
        gap, most, lerner = (
            learned["agents"][name][agent] for name in ("relative_gap", "relative_gap_upper", "lerner")
        )
        print(f"| {agent} | {interval(gap, 0.01, 1)} | {interval(most, 0.01, 1)} | {interval(lerner, 1, 3)} |")


def main() -> None:
    """Print all tables."""
    oligopoly("cournot")
    oligopoly("supply_function")
    for data in sys.argv[1:]:
        day_ahead(str(Path(data).resolve()), 168, "2018-03-05")
        day_ahead(str(Path(data).resolve()), 8760, "2018-01-01")


if __name__ == "__main__":
    main()
