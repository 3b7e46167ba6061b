"""A measure: a function of a game and what was played in it, with the words and the scale for its number."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

from walras.core.checks import require_known

SCALES = ("linear", "log", "share")


@final
@dataclass(frozen=True)
class Measure:
    """What is measured, and how it is told.

    Raises
    ------
    ValueError
        If `scale` is unknown.
    """

    function: Callable[..., Any]
    """From game and trajectory, or from game and policy, to one number or to one an agent, ``[N]``."""
    title: str
    """Words for the number."""
    unit: str = ""
    """Its unit; of a share, what it is a share of, such as "of the price"."""
    scale: str = "linear"
    """Linear, log, or share: of one, shown in per cent."""

    def __post_init__(self) -> None:
        require_known(self.scale, "scale", SCALES)

    def __call__(self, *arguments: Any) -> Any:  # noqa: ANN401 - those of the function
        """Measure."""
        return self.function(*arguments)


def measure(title: str, unit: str = "", scale: str = "linear") -> Callable[[Callable[..., Any]], Measure]:
    """Return a decorator that makes a function a `Measure`; parameters and errors as there.

    Examples
    --------
    >>> @measure("mean price", "EUR/MWh")
    ... def price(game, trajectory):
    ...     return float(trajectory.state.price[1:].mean())
    >>> price.title
    'mean price'
    """
    return lambda function: Measure(function, title, unit, scale)
