r"""Populations of preferences: what agents want, drawn from uniform numbers.

Every entry lies in [low, high]. An agent's demands are even draws. Its values follow a Beta distribution of the given
`shape`, (1, 1) being even and (2, 5) mostly low; `correlation` of the agents' values for one resource is that of a
Gaussian copula [1]_, so that it changes who agrees with whom and not how values are distributed.

References
----------
[1] R. B. Nelsen, An introduction to copulas, Springer, 2006.
"""

import numpy as np

from walras.core.checks import require
from walras.core.typing import Floats


def require_population(shape: tuple[float, float], correlation: float) -> None:
    """Raise ``ValueError`` unless `shape` holds two positive numbers and `correlation` is in [0, 1]."""
    require(len(shape) == 2 and min(shape) > 0, "shape", "hold two positive numbers", shape)
    require(0 <= correlation <= 1, "correlation", "be in [0, 1]", correlation)


def drawn_values(uniform: Floats, shape: tuple[float, float], correlation: float) -> Floats:
    """Return values in [0, 1], ``[..., N, M]``, from ``uniform [..., N + 1, M]``, the last row being common to all."""
    from scipy.special import betaincinv, ndtr, ndtri  # environments are imported without scipy

    own, common = uniform[..., :-1, :], uniform[..., -1:, :]
    if correlation > 0:
        # 1 / 2^54 keeps the ends of the unit interval finite.
        scores = [ndtri(np.clip(u, 2.0**-54, 1 - 2.0**-53)) for u in (own, common)]
        own = ndtr(np.sqrt(1 - correlation) * scores[0] + np.sqrt(correlation) * scores[1])
    return own if shape == (1, 1) else betaincinv(*shape, own)
