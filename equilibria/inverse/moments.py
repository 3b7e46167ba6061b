r"""Estimates from conditions that hold on average, by the method of moments, and those of resampled periods.

Play that is drawn, or read with errors, misses the conditions of equilibrium :math:`X_t \theta = y_t` in each period,
but not on average with weights :math:`Z_t` that the errors do not tell, its instruments:
:math:`E[Z_t^\top (X_t \theta - y_t)] = 0` [1]_. Then

.. math:: \hat\theta = \Bigl(\sum_t Z_t^\top X_t\Bigr)^+ \sum_t Z_t^\top y_t

is consistent. The parameters of least regret need not be: a firm that misses its condition by e against a residual
demand of slope S, at a cost that rises by d, has the regret :math:`S e^2 / (2 (2 + S d))`, which falls in d whatever
the errors are. What the instruments do not tell is not identified, however much the errors move X.

References
----------
[1] L. P. Hansen, Large sample properties of generalized method of moments estimators, Econometrica 50, 1982.
"""

from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from walras.core.typing import Floats, Ints

FLAT = 1e-10
"""Singular value, of rows of length one and in units of the parameters, below which instruments say nothing."""


class Moments(NamedTuple):
    """Conditions ``rows @ theta = level`` of each period, and their instruments."""

    rows: Floats  # [T, R, P]
    level: Floats  # [T, R]
    instruments: Floats  # [T, R, P]


@runtime_checkable
class Averaged(Protocol):
    """A family whose conditions are linear in all of its parameters, and hold on average."""

    def moments(self, observed: Any) -> Moments:  # noqa: ANN401 - the family's own
        """Return the conditions of each period."""
        ...


def estimates(found: Moments, near: Floats, resamples: Ints) -> Floats:
    """Return the estimates ``[B, P]`` of resamples of periods ``[B, T]``; what is not told stays as ``near [P]``."""
    count = len(found.level)
    share = np.stack([np.bincount(each, minlength=count) for each in resamples]) / count
    unit = np.sqrt((found.rows**2).sum(axis=(0, 1)))
    unit = np.where(unit > 0, unit, 1.0)
    cross = np.einsum("trp,trq->tpq", found.instruments, found.rows) / np.outer(unit, unit) * count
    aside = np.einsum("trp,tr->tp", found.instruments, found.level - found.rows @ near) / unit * count
    moved = np.linalg.pinv(np.tensordot(share, cross, 1), rcond=FLAT) @ (share @ aside)[..., None]
    return near + moved[..., 0] / unit


def determined(found: Moments) -> tuple[Floats, Floats]:
    """Return bases of the combinations of parameters that instruments determine, and of those left, ``[.., P]``."""
    rows = found.instruments.reshape(-1, found.instruments.shape[-1])
    length = np.linalg.norm(rows, axis=1)
    kept = rows[length > 0] / length[length > 0, None]
    _, values, right = np.linalg.svd(np.linalg.qr(kept, mode="r"))
    rank = int(np.sum(values > FLAT * values.max(initial=0.0)))
    return right[:rank], right[rank:]


def averaged(rows: Floats) -> Floats:
    """Return the mean of rows ``[T, ..]``, repeated: instruments of conditions whose rows have errors themselves."""
    return np.broadcast_to(rows.mean(axis=0), rows.shape)


def projected(rows: Floats, known: Floats) -> Floats:
    """Return rows ``[T, ..]`` as far as a line in what is known of each period, ``[T]``, tells them."""
    basis = np.column_stack([np.ones(len(known)), known - known.mean()])
    fitted = basis @ (np.linalg.pinv(basis) @ rows.reshape(len(rows), -1))
    return fitted.reshape(rows.shape)
