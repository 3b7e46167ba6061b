"""Solution concepts: in which sense a policy is, or is not, a solution."""

from enum import StrEnum

from walras.core.checks import require_known


class Concept(StrEnum):
    """What a solution is a solution of, and what a gap is a distance from."""

    NASH = "nash"
    """No player gains by deviating alone; in expectation over what it cannot see."""
    SADDLE_POINT = "saddle point"
    """Nash equilibrium of two players with opposite payoffs."""
    JOINT_OPTIMUM = "joint optimum"
    """No joint policy earns more in total; most games that have it pay all players alike."""
    COMPETITIVE = "competitive"
    """No agent wants another bundle at the prices that came out."""
    TRUTHFUL = "truthful"
    """The profile of true reports; its gap is that of `NASH`."""
    COARSE_CORRELATED = "coarse correlated"
    """No player gains by leaving a joint device before it draws."""
    CORRELATED = "correlated"
    """No player gains by deviating once it knows its own draw."""
    SUBGAME_PERFECT = "subgame perfect"
    """A Nash equilibrium of every subgame."""
    PRICE_DIFFERENCES = "price differences"
    """No firm gains if it conjectures that price differences stay."""

    @classmethod
    def _missing_(cls, value: object) -> None:
        """Refuse a word that is no concept, with the nearest that is."""
        require_known(str(value), "concept", cls)
