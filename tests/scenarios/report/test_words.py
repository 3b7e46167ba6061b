from types import SimpleNamespace

import pytest

from walras.scenarios.engine.results import Results
from walras.scenarios.report.words import headline, key_numbers, words_of

THIN = "\N{NARROW NO-BREAK SPACE}"


def test_the_headline_compares_the_first_measure_with_the_reference(made_up: SimpleNamespace) -> None:
    assert headline(made_up.day_ahead()) == (
        "With PPO, the largest gain from deviating is 10.0 % of what is at stake (exact; concept: Nash);"
        " the mean price is 63.5 EUR/MWh (competitive equilibrium: 51.5)."
    )
    assert headline(made_up.cournot()).endswith("; the mean price is 30.0 EUR/MWh (Nash equilibrium: 51.5).")


def test_the_headline_does_not_call_noise_a_change(made_up: SimpleNamespace) -> None:
    results = made_up.day_ahead()
    results.record["methods"]["scripted"]["market"]["price"]["mean"] = 60.0
    assert "63.5 EUR/MWh (competitive equilibrium: 60.0, inside its 95 % confidence interval)" in headline(results)


def test_the_headline_tells_shares_in_per_cent(made_up: SimpleNamespace) -> None:
    results = made_up.day_ahead()
    for part in results.record["methods"].values():
        part["market"] = {"share": part["market"]["price"] | {"mean": 0.25, "low": 0.2, "high": 0.3}}
    assert "; the output is 25.0 % of capacity (competitive equilibrium: 25.0" in headline(results)


def test_the_headline_of_a_run_without_a_market_tells_the_gap(made_up: SimpleNamespace) -> None:
    results = made_up.day_ahead()
    for part in results.record["methods"].values():
        part["market"] = {}
    assert headline(results) == (
        "With PPO, the largest gain from deviating is 10.0 % of what is at stake (exact; concept: Nash)."
    )
    for part in results.record["methods"]["learned"]["agents"]["relative_gap"].values():
        part["mean"] = 0.0
    assert headline(results) == "With PPO, the largest gain from deviating is zero (exact; concept: Nash)."


def test_the_headline_says_that_nobody_learns_only_where_nobody_does(made_up: SimpleNamespace) -> None:
    results = made_up.day_ahead()
    results.record["methods"]["learned"]["curve"] = []  # trained, as mechanisms are, without a learning curve
    assert headline(results).startswith("With PPO, ")
    del results.record["methods"]["learned"]
    assert headline(results) == (
        "No method learns in this run. With competitive equilibrium, the largest gain from deviating is 10.0 % of what"
        " is at stake (exact; concept: Nash); the mean price is 51.5 EUR/MWh."
    )
    assert ("Mean price", "51.5 EUR/MWh", "") in key_numbers(results)


def test_key_numbers_compare_with_the_reference(made_up: SimpleNamespace) -> None:
    assert key_numbers(made_up.day_ahead()) == [
        ("Mean price", "63.5 EUR/MWh", "competitive equilibrium: 51.5"),
        ("Welfare loss", "12.0 EUR/h", "competitive equilibrium: 0"),
        ("Profit of all agents", f"3{THIN}704 EUR/h", f"competitive equilibrium: 3{THIN}704"),
        ("Largest gain from deviating", "10.0 % of what is at stake", "by gas & oil; exact; concept: Nash"),
    ]


def test_gains_above_the_whole_are_told_in_money(made_up: SimpleNamespace) -> None:
    results = made_up.cournot()
    results.record["methods"]["learned"]["agents"]["relative_gap"]["coal"] = {"mean": None}
    assert "the largest gain from deviating is 2.00 EUR/h (exact; concept: Nash);" in headline(results)


def judged(results: Results, kind: str, certifies: str, upper: float | None) -> Results:
    """Let the certificate of what learned be of a kind, and each agent's upper end of its share."""
    learned = results.record["methods"]["learned"]
    learned["certificate"] = {"kind": kind, "concept": "nash", "certifies": certifies, "confidence": 0.95}
    for name in ("gap_upper", "relative_gap_upper"):
        learned["agents"][name] = {"coal": {"mean": 0.0}, "gas & oil": {"mean": upper}}
    return results


@pytest.mark.parametrize(
    ("kind", "certifies", "sentence", "title", "value", "note"),
    [
        ("exact", "Nash", "is 10.0", "", "10.0", "exact; concept: Nash"),
        ("bounds", "joint optimum", "is at most 12.5", ", at most", "12.5", "proved; concept: joint optimum"),
        ("statistical", "coarse correlated", "is at most 12.5", ", at most", "12.5",
         "95 % confidence; concept: coarse correlated"),
        ("lower bound", "", "that was found is 10.0", ", as found", "10.0", "more is not excluded; concept: Nash"),
    ],
)  # fmt: skip
def test_no_more_is_said_of_a_gap_than_was_proved(
    made_up: SimpleNamespace, kind: str, certifies: str, sentence: str, title: str, value: str, note: str
) -> None:
    results = judged(made_up.day_ahead(), kind, certifies, 0.125)
    assert f"gain from deviating {sentence} % of what is at stake ({note})" in headline(results)
    card = (f"Largest gain from deviating{title}", f"{value} % of what is at stake", f"by gas & oil; {note}")
    assert key_numbers(results)[-1] == card


def test_what_is_unbounded_is_told_as_found(made_up: SimpleNamespace) -> None:
    results = judged(made_up.day_ahead(), "lower bound", "", None)
    for part in results.record["methods"]["learned"]["agents"]["relative_gap"].values():
        part["mean"] = 0.0
    assert "that was found is zero (more is not excluded; concept: Nash);" in headline(results)


@pytest.mark.parametrize("kind", ["bounds", "statistical"])
def test_the_gap_of_an_agent_without_bound_is_the_largest(made_up: SimpleNamespace, kind: str) -> None:
    results = judged(made_up.day_ahead(), kind, "Nash", None)
    assert "the largest gain from deviating is at most ∞ EUR/h (" in headline(results)
    assert key_numbers(results)[-1][:2] == ("Largest gain from deviating, at most", "∞ EUR/h")
    assert key_numbers(results)[-1][2].startswith("by gas & oil; ")


def test_money_and_gaps_are_told_in_the_words_of_the_objective(made_up: SimpleNamespace) -> None:
    results = made_up.cournot()
    results.record["objective"] |= {"reward": "return", "unit": "an episode", "gap": "shortfall"}
    results.record["objective"] |= {"share_of": "the optimum", "alike": True}
    assert "the largest shortfall is 1.00 % of the optimum (exact; concept: Nash);" in headline(results)
    titles = [title for title, _, _ in key_numbers(results)]
    assert titles[-2:] == ["Return of each agent", "Largest shortfall"]
    assert key_numbers(results)[-2][1] == "200 an episode"


def test_a_measure_without_words_is_called_by_its_name(made_up: SimpleNamespace) -> None:
    assert words_of(made_up.cournot(), "lost_load").axis == "lost load"
    assert words_of(made_up.cournot(), "relative_gap").axis == "gain from deviating, % of profit"
