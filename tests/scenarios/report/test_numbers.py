import math

import pytest

from walras.scenarios.report.numbers import brief, number, percent, shown_number, with_interval

THIN, MINUS, TIMES = "\N{NARROW NO-BREAK SPACE}", "\N{MINUS SIGN}", "\N{MULTIPLICATION SIGN}"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0"),
        (0.12345, "0.123"),
        (1.2345, "1.23"),
        (-12.345, f"{MINUS}12.3"),
        (1234567.8, f"1{THIN}234{THIN}568"),
        (4.5e12, f"4.50{THIN}{TIMES}{THIN}10¹²"),
        (3.2e-7, f"3.20{THIN}{TIMES}{THIN}10⁻⁷"),
        (-2e-4, f"{MINUS}2.00{THIN}{TIMES}{THIN}10⁻⁴"),
        (math.inf, "∞"),
        (-math.inf, f"{MINUS}∞"),
        (math.nan, "\N{EN DASH}"),
    ],
)
def test_brief_numbers(value: float, shown: str) -> None:
    assert brief(value) == shown


@pytest.mark.parametrize("value", [1e-12, -1e-12, 1e-5, 4.9e-4, 0.00051, 0.4])
@pytest.mark.parametrize("places", [0, 1, 2, 3])
def test_what_is_not_zero_is_not_written_as_zero(value: float, places: int) -> None:
    assert shown_number(value, places).strip("-0.,") != ""
    assert any(digit in shown_number(value, places) for digit in "123456789")


@pytest.mark.parametrize(
    ("estimate", "shown"),
    [
        ((63.5, 57.1, 69.8), ("63.5", "[57.1, 69.8]")),
        ((51.4983, 51.49785, 51.49875), ("51.49830", "[51.49785, 51.49875]")),  # what the interval tells is shown
        ((1234.5, 1111.0, 1358.0), (f"1{THIN}234", f"[1{THIN}111, 1{THIN}358]")),
        ((-1.234, -1.3, 4.5e12), (f"{MINUS}1.23", f"[{MINUS}1.30, 4.50{THIN}{TIMES}{THIN}10¹²]")),
        ((0.0, -5.0, 5.0), ("0", f"[{MINUS}5, 5]")),
        ((2.0, 2.0, 2.0), ("2.00", "")),
        ((2.0, math.nan, math.nan), ("2.00", "")),  # one seed
        ((math.nan, math.nan, math.nan), ("\N{EN DASH}", "")),
    ],
)
def test_a_row_has_the_decimals_that_its_interval_asks_for(
    estimate: tuple[float, float, float], shown: tuple[str, str]
) -> None:
    assert with_interval(*estimate) == shown


def test_one_runaway_number_does_not_set_the_decimals_of_others() -> None:
    column = [-1.234, -1.247, -1.251, 4.5e12]
    assert [with_interval(value, value, value)[0] for value in column[:3]] == [
        f"{MINUS}1.23", f"{MINUS}1.25", f"{MINUS}1.25"
    ]  # fmt: skip


@pytest.mark.parametrize(("level", "shown"), [(0, "0 %"), (12.345, "12.3 %"), (1e-4, f"1.00{THIN}{TIMES}{THIN}10⁻⁴ %")])
def test_levels_in_per_cent(level: float, shown: str) -> None:
    assert percent(level) == shown


def test_a_missing_number_is_not_a_number() -> None:
    assert math.isnan(number(None))
    assert number(1.5) == pytest.approx(1.5)
