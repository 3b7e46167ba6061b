"""Linear programmes over one polyhedron: one model of HiGHS, in which each cost goes on from the last optimum.

Of many rows, only those that bind are given to the solver: it starts with the last ones, the bounds, and an even choice
of the others, and takes up the most violated ones until none is.
"""

# highspy and scipy.sparse are only partly typed.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportAttributeAccessIssue=false

from typing import Any, final

import highspy
import numpy as np
import scipy.sparse as sp

from walras.core.typing import Floats

MOST_ROWS = 1000
"""Inequalities that are given to the solver at once."""
ADDED = 100
"""Violated ones that it takes up at once."""
OPTIONS = {
    "output_flag": False,
    "threads": 1,
    "presolve": "off",  # costs alone change
    "primal_feasibility_tolerance": 1e-10,  # the smallest that it takes
    "dual_feasibility_tolerance": 1e-10,
}


@final
class Programmes:
    """Minimise costs over ``matrix @ y <= bound``; it is solved for ``y / size``.

    Where optima tie, which one is found depends on the costs before.
    """

    def __init__(self, matrix: Floats, bound: Floats, kept: int, size: float = 1.0) -> None:
        self.matrix, self.bound, self.size = matrix, bound / size, size
        self.active = np.ones(len(matrix), dtype=np.bool_)
        if len(matrix) > MOST_ROWS:
            self.active[:] = False
            self.active[-kept:] = self.active[:: len(matrix) // 200] = True
        self.model = self._built()

    def least(self, cost: Floats) -> Floats | None:
        """Return a minimiser of ``cost @ y``, or none where there is none."""
        self.model.changeColsCost(len(cost), np.arange(len(cost), dtype=np.int32), cost)
        slack = 1e-10 * (1 + np.abs(self.bound))
        while True:
            found = self._solved()
            if found is None and self.active.all():
                return None
            missed = self.matrix @ found - self.bound - slack if found is not None else np.full(len(slack), np.inf)
            missed[self.active] = -np.inf
            if missed.max() <= 0:
                assert found is not None
                return self.size * found
            worst = np.argsort(missed)[-ADDED:] if found is not None else np.arange(len(missed))
            self._take(worst[missed[worst] > 0])

    def _solved(self) -> Floats | None:
        self.model.run()
        if self.model.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            self.model.clearSolver()
            self.model.run()
        optimal = self.model.getModelStatus() == highspy.HighsModelStatus.kOptimal
        return np.array(self.model.getSolution().col_value) if optimal else None

    def _built(self) -> Any:  # noqa: ANN401 - highspy.Highs
        lp, free, size = highspy.HighsLp(), highspy.kHighsInf, self.matrix.shape[1]
        rows, bound = self._rows(self.active)
        lp.num_row_, lp.num_col_ = len(bound), size
        lp.col_cost_ = np.zeros(size)
        lp.col_lower_, lp.col_upper_ = np.full(size, -free), np.full(size, free)
        lp.row_lower_, lp.row_upper_ = np.full(len(bound), -free), bound
        lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = rows.indptr, rows.indices, rows.data
        model = highspy.Highs()
        for name, value in OPTIONS.items():
            model.setOptionValue(name, value)
        model.passModel(lp)
        return model

    def _take(self, more: Any) -> None:  # noqa: ANN401 - places
        self.active[more] = True
        rows, bound = self._rows(more)
        low = np.full(len(bound), -highspy.kHighsInf)
        self.model.addRows(len(bound), low, bound, rows.nnz, rows.indptr[:-1], rows.indices, rows.data)

    def _rows(self, which: Any) -> tuple[Any, Floats]:  # noqa: ANN401 - places, or a mask
        rows = sp.csr_array(self.matrix[which])
        rows.indptr, rows.indices = rows.indptr.astype(np.int32), rows.indices.astype(np.int32)
        return rows, self.bound[which]


def programme(cost: Floats, matrix: Floats, bound: Floats, kept: int, size: float = 1.0) -> Floats | None:
    """Return a minimiser of ``cost @ y`` over ``matrix @ y <= bound``, or none where there is none."""
    return Programmes(matrix, bound, kept, size).least(cost)
