import re

import numpy as np
import pytest

from walras.core.checks import as_definite, as_floats, as_symmetric, per_agent, require, require_each, require_known


def test_a_rule_that_holds_passes() -> None:
    require(True, "x", "be positive", 1)
    require_each(np.array([True, True]), "x", "be positive", np.array([1.0, 2.0]))


def test_a_broken_rule_names_the_argument_the_rule_and_the_value() -> None:
    with pytest.raises(ValueError, match=r"^`slope` must be positive; got -1\.5\.$"):
        require(False, "slope", "be positive", -1.5)


def test_a_broken_entry_is_named_with_its_index() -> None:
    values = np.array([[1.0, 2.0], [3.0, -4.0]])
    with pytest.raises(ValueError, match=r"^`x` must not be negative; got -4\.0 at index \[1, 1\]\.$"):
        require_each(values >= 0, "x", "not be negative", values)


def test_the_first_broken_entry_is_the_one_named() -> None:
    values = np.array([1.0, -2.0, -3.0])
    with pytest.raises(ValueError, match=r"got -2\.0 at index \[1\]"):
        require_each(values >= 0, "x", "not be negative", values)


def test_an_empty_array_breaks_no_rule() -> None:
    require_each(np.zeros(0, dtype=np.bool_), "x", "be positive", np.zeros(0))


def test_an_unknown_value_lists_the_known_ones_and_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"^`mode` must be one of ansi, human; got 'humn'\. Did you mean 'human'\?$"):
        require_known("humn", "mode", ["human", "ansi"])


def test_an_unknown_value_far_from_all_gets_no_suggestion() -> None:
    with pytest.raises(ValueError, match=r"got 'zzz'\.$"):
        require_known("zzz", "mode", ["human", "ansi"])


def test_known_values_may_be_any_iterable() -> None:
    require_known("a", "letter", iter("abc"))


def test_numbers_become_float64_of_the_asked_dimensions() -> None:
    array = as_floats("x", [[1, 2]], 2)
    assert array.dtype == np.float64
    assert array.tolist() == [[1.0, 2.0]]


def test_another_number_of_dimensions_is_refused_with_the_shape() -> None:
    with pytest.raises(ValueError, match=r"`x` must have 2 dimensions; got \(3,\)"):
        as_floats("x", [1, 2, 3], 2)


def test_nan_is_refused_with_its_index() -> None:
    with pytest.raises(ValueError, match=r"`x` must hold no NaN; got nan at index \[1\]"):
        as_floats("x", [1.0, np.nan], 1)


def test_one_number_is_repeated_for_each_agent() -> None:
    assert per_agent("cost", 2, 3) == (2.0, 2.0, 2.0)
    assert per_agent("cost", [2], 3) == (2.0, 2.0, 2.0)
    assert per_agent("cost", np.float64(2), 1) == (2.0,)


def test_a_sequence_is_kept_in_order_as_plain_floats() -> None:
    numbers = per_agent("cost", np.array([1, 2, 3]), 3)
    assert numbers == (1.0, 2.0, 3.0)
    assert all(type(number) is float for number in numbers)


@pytest.mark.parametrize("value", [(1.0, 2.0), ((1.0, 2.0, 3.0),)])
def test_a_wrong_length_is_refused_with_the_right_one(value: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="`cost` must be one number or 3 numbers, one an agent; got"):
        per_agent("cost", value, 3)


def test_nan_for_an_agent_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`cost` must hold no NaN; got nan at index \[1\]"):
        per_agent("cost", (1.0, np.nan), 2)


def test_a_matrix_must_be_symmetric_to_rounding() -> None:
    array = np.array([[2.0, 1.0], [1.0 + 1e-13, 3.0]])
    np.testing.assert_array_equal(as_symmetric("Q", array, (2, 2)), array)
    with pytest.raises(ValueError, match=r"`Q` must be symmetric; got 1\.0 at index \[0, 1\]"):
        as_symmetric("Q", [[2.0, 1.0], [1.0 + 1e-9, 3.0]], (2, 2))
    with pytest.raises(ValueError, match=r"`Q` must have the shape \(2, 2\); got \(1, 1\)"):
        as_symmetric("Q", [[2.0]], (2, 2))
    with pytest.raises(ValueError, match=r"`Q` must be finite; got inf at index \[0, 0\]"):
        as_symmetric("Q", [[np.inf]], (1, 1))


def test_an_eigenvalue_of_the_wrong_sign_is_told() -> None:
    flat = [[1.0, 1.0], [1.0, 1.0]]  # eigenvalues 0 and 2
    np.testing.assert_array_equal(as_definite("S", flat, (2, 2), singular=True), flat)
    with pytest.raises(ValueError, match="`S` must have positive eigenvalues alone; got"):
        as_definite("S", flat, (2, 2), singular=False)
    with pytest.raises(ValueError, match=r"`S` must have no negative eigenvalue; got -1\.0 at index \[1\]"):
        as_definite("S", [np.eye(2), [[1.0, 2.0], [2.0, 1.0]]], (2, 2, 2), singular=True)


def test_an_error_does_not_print_all_of_a_long_value() -> None:
    with pytest.raises(ValueError, match=r"`policy` must be affine; got \[0, 1, 2, .*\.\.\. \(688,890 characters\)\."):
        require(False, "policy", "be affine", list(range(100_000)))
    for value in ("x" * 300, list(range(100))):
        with pytest.raises(ValueError, match=re.escape(f"got {value!r}.")):
            require(False, "policy", "be affine", value)
