"""Sealed-bid auctions: formats, clearing, and the distributions of bidders' values."""

from walras.markets.auctions.clearing import clear
from walras.markets.auctions.contests import Crowdsourcing, Tullock
from walras.markets.auctions.dependence import (
    Affiliated,
    BernoulliWeights,
    Dependence,
    Independent,
    MineralRights,
    Types,
)
from walras.markets.auctions.double import KDouble, McAfee
from walras.markets.auctions.multi_unit import Discriminatory, UniformPrice, Vickrey
from walras.markets.auctions.outcome import Format, Outcome
from walras.markets.auctions.packages import Core, SetPackingVCG, SplitAward
from walras.markets.auctions.priors import FromQuantile, Power, Prior, TruncatedNormal, Uniform
from walras.markets.auctions.reserve import myerson_reserve, optimal_revenue, virtual_value
from walras.markets.auctions.single_item import AllPay, FirstPrice, SecondPrice, ThirdPrice, WarOfAttrition

__all__ = [
    "Affiliated",
    "AllPay",
    "BernoulliWeights",
    "Core",
    "Crowdsourcing",
    "Dependence",
    "Discriminatory",
    "FirstPrice",
    "Format",
    "FromQuantile",
    "Independent",
    "KDouble",
    "McAfee",
    "MineralRights",
    "Outcome",
    "Power",
    "Prior",
    "SecondPrice",
    "SetPackingVCG",
    "SplitAward",
    "ThirdPrice",
    "TruncatedNormal",
    "Tullock",
    "Types",
    "Uniform",
    "UniformPrice",
    "Vickrey",
    "WarOfAttrition",
    "clear",
    "myerson_reserve",
    "optimal_revenue",
    "virtual_value",
]
