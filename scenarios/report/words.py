"""The report's words: what a run found in a sentence, and how its measures are told."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from walras.equilibria.certificate import Kind
from walras.scenarios.engine.results import Results
from walras.scenarios.engine.scenario import STAKE, Objective
from walras.scenarios.report.charts import learners, reference_of, title_of
from walras.scenarios.report.numbers import ABSENT, brief, number


@final
@dataclass(frozen=True)
class Words:
    """How a measure is told."""

    title: str
    unit: str = ""
    """What stands after the number: the unit, or "% of the price"."""
    factor: float = 1.0
    """From the number that was measured to the number that is shown: 100 for a share."""
    scale: str = "linear"

    @property
    def axis(self) -> str:
        """The title of an axis."""
        return f"{self.title}, {self.unit}" if self.unit else self.title


@final
@dataclass(frozen=True)
class Worth:
    """What a gap is worth: no more may be claimed than was proved."""

    verb: str
    """What stands between the gap's name and its number in a sentence."""
    title: str
    """What follows the gap's name in a title."""
    sign: str
    """What stands before its number in a table."""
    certificate: str
    """Of which kind the number is."""
    concept: str
    """What it is a distance from."""
    end: str
    """What follows ``gap`` in the name of the measure that is told."""

    @property
    def note(self) -> str:
        """Kind and concept."""
        return f"{self.certificate}; concept: {self.concept}"


def objective_of(results: Results) -> Objective:
    """Return what agents play for."""
    return Objective(**results.record["objective"])


def whole_of(results: Results) -> str:
    """Return what gaps are shares of."""
    return objective_of(results).share_of or STAKE


def words_of(results: Results, measure: str) -> Words:
    """Return the words of a measure of the run; its name where nothing else is known."""
    known = results.record["measures"].get(measure, {"title": measure.replace("_", " ")})
    scale, unit = known.get("scale", "linear"), known.get("unit", "")
    if scale == "share":
        return Words(known["title"], f"% {unit}".strip(), 100.0, scale)
    return Words(known["title"], unit, 1.0, scale)


def headline(results: Results) -> str:
    """Return what the run found, in words and numbers: of the first method that learns, beside the reference.

    Where none learns, of the reference.
    """
    shown, none = shown_method(results), "" if learners(results) else "No method learns in this run. "
    gain, proved = largest_gain(results, shown)[0], worth(results, shown)
    gap = f"the largest {objective_of(results).gap} {proved.verb} {gain} ({proved.note})"
    sentences = [sentence for sentence in (gap, _market_sentence(results, shown)) if sentence]
    return f"{none}With {title_of(results, shown)}, {'; '.join(sentences)}."


def shown_method(results: Results) -> str:
    """Return the method that the headline tells of: the first that learns, or the reference."""
    return [*learners(results), reference_of(results)][0]


def key_numbers(results: Results) -> list[tuple[str, str, str]]:
    """Return the numbers of the summary strip: title, value with unit, and what to compare it with."""
    reference, objective = reference_of(results), objective_of(results)
    shown = shown_method(results)
    here, there = (results.record["methods"][name] for name in (shown, reference))
    cards = [_card(results, name, here["market"][name], there["market"].get(name)) for name in here["market"]]
    total, usual = (_total(part["agents"]["reward"], objective.alike) for part in (here, there))
    whose = "each agent" if objective.alike else "all agents"
    cards.append((capital(f"{objective.reward} of {whose}"), _joined(total, objective.unit), usual))
    if shown == reference:
        cards = [(title, value, "") for title, value, _ in cards]
    else:
        cards = [(t, value, f"{title_of(results, reference)}: {beside}") for t, value, beside in cards]
    (gain, agent), proved = largest_gain(results, shown), worth(results, shown)
    return [*cards, (f"Largest {objective.gap}{proved.title}", gain, f"by {agent}; {proved.note}")]


def worth(results: Results, method: str) -> Worth:
    """Return what the gaps of a method are worth, by its certificate."""
    certificate = results.record["methods"][method]["certificate"]
    concept = named(certificate["certifies"] or certificate["concept"])
    match certificate["kind"]:
        case Kind.EXACT:
            return Worth("is", "", "", "exact", concept, "")
        case Kind.BOUNDS:
            return Worth("is at most", ", at most", "≤ ", "proved", concept, "_upper")
        case Kind.STATISTICAL:
            sure = f"{100 * certificate['confidence']:.3g} % confidence"
            return Worth("is at most", ", at most", "≤ ", sure, concept, "_upper")
        case _:
            return Worth("that was found is", ", as found", "≥ ", "more is not excluded", concept, "")


def named(concept: str) -> str:
    """Return a concept as it is written in sentences."""
    return concept.replace("nash", "Nash")


def largest_gain(results: Results, method: str) -> tuple[str, str]:
    """Return the largest gain, as a share where no agent's exceeds the whole, and whose it is.

    It is the most that the certificate leaves possible, without bound where one agent's has none; or what was found
    where it excludes nothing.
    """
    measured, end = results.record["methods"][method]["agents"], worth(results, method).end
    shares = {agent: number(gap["mean"]) for agent, gap in measured[f"relative_gap{end}"].items()}
    gains = {agent: math.inf if gap["mean"] is None else gap["mean"] for agent, gap in measured[f"gap{end}"].items()}
    of_whole = all(share <= 1 for share in shares.values())
    compared, unit = (shares, f"% of {whole_of(results)}") if of_whole else (gains, objective_of(results).unit)
    agent = max(compared, key=lambda name: compared[name])
    if compared[agent] == 0:
        return "zero", agent
    return _joined(brief(compared[agent] * (100 if of_whole else 1)), unit), agent


def capital(text: str) -> str:
    """Return `text` with a capital first letter."""
    return text[:1].upper() + text[1:]


def _market_sentence(results: Results, learner: str) -> str:
    """Say what the market's first measure is, beside the reference; near it where it lies in the interval."""
    market, reference = results.record["methods"][learner]["market"], reference_of(results)
    if not market:
        return ""
    name, here = next(iter(market.items()))
    words, there = words_of(results, name), results.record["methods"][reference]["market"].get(name)
    told = f"the {words.title} is {_joined(brief(words.factor * number(here['mean'])), words.unit)}"
    if there is None or reference == learner:
        return told
    inside = number(here["low"]) <= number(there["mean"]) <= number(here["high"])
    beside = f"{title_of(results, reference)}: {brief(words.factor * number(there['mean']))}"
    return f"{told} ({beside}{', inside its 95 % confidence interval' if inside else ''})"


def _card(
    results: Results, name: str, here: Mapping[str, Any], there: Mapping[str, Any] | None
) -> tuple[str, str, str]:
    words = words_of(results, name)
    beside = ABSENT if there is None else brief(words.factor * number(there["mean"]))
    return capital(words.title), _joined(brief(words.factor * number(here["mean"])), words.unit), beside


def _total(rewards: Mapping[str, Mapping[str, Any]], alike: bool) -> str:
    means = [number(estimate["mean"]) for estimate in rewards.values()]
    return brief(means[0] if alike else sum(means))


def _joined(value: str, unit: str) -> str:
    return f"{value} {unit}".strip()
