"""Inverse games: payoffs from observed play, as sets where play does not tell, and the regret of play under given ones.

The room imports no family: each registers its payoffs and its table reader by one line of `registration`.
"""

from walras.equilibria.inverse.auditing import Audited, audit, play_table
from walras.equilibria.inverse.descent import (
    Extragradient,
    GradientDescentAscent,
    MaxOracle,
    StochasticDescentAscent,
    StochasticMaxOracle,
)
from walras.equilibria.inverse.family import AbstractFamily, Regrets
from walras.equilibria.inverse.fitting import Exact, InverseSolution, Sample, fit
from walras.equilibria.inverse.parameter_set import ParameterSet

__all__ = [
    "AbstractFamily",
    "Audited",
    "Exact",
    "Extragradient",
    "GradientDescentAscent",
    "InverseSolution",
    "MaxOracle",
    "ParameterSet",
    "Regrets",
    "Sample",
    "StochasticDescentAscent",
    "StochasticMaxOracle",
    "audit",
    "fit",
    "play_table",
]
