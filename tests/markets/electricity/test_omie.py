# ruff: noqa: E501 - a row is a line

from pathlib import Path

import numpy as np
import pytest

from walras.markets.electricity.clearing import clear
from walras.markets.electricity.omie import load_omie_bids, load_omie_prices


def prices(tmp_path: Path, day: str, periods: list[str], unit: str = "EUR/MWh", count: int | None = None) -> Path:
    """A file of prices 1,5, 2,5, ... in Spain, and a thousand more in Portugal."""
    head = f"OMIE - Mercado de electricidad;Fecha Emisión :28/03/2020 - 13:52;;{day};Precio del mercado diario ({unit});;;;"
    values = [f"  {k + 1},50" for k in range(len(periods) if count is None else count)]
    rows = [f"Precio marginal en el sistema español ({unit});{';'.join(values)};"]
    rows += [
        f"Precio marginal en el sistema portugués ({unit});{';'.join('  1.' + v.strip().zfill(6) for v in values)};"
    ]
    path = tmp_path / "prices.txt"
    path.write_text("\n".join([head, "", f";{';'.join(periods)};", *rows, ";;;"]), encoding="latin-1")
    return path


HOURS = [str(k + 1) for k in range(25)]
QUARTERS = [f"H{h}Q{q}" for h in range(1, 26) for q in range(1, 5)]


@pytest.mark.parametrize(("day", "length"), [("29/03/2020", 23), ("25/10/2020", 25), ("01/06/2020", 24)])
def test_a_day_has_the_periods_of_its_clock(day: str, length: int, tmp_path: Path) -> None:
    hourly = load_omie_prices(prices(tmp_path, day, HOURS[:length]))
    assert (hourly.value[0, 0], hourly.value[-1, 0], hourly.step_hours) == (1.5, length + 0.5, 1)
    assert (hourly.clock[0], hourly.clock[-1]) == (0, 23)
    quarterly = load_omie_prices(prices(tmp_path, day, QUARTERS[: 4 * length]))
    assert (len(quarterly.value), quarterly.step_hours) == (4 * length, 0.25)
    assert quarterly.clock[:3].tolist() == [0, 0.25, 0.5]
    with pytest.raises(ValueError, match=rf"prices\.txt, row 4: must have the {length} periods of"):
        load_omie_prices(prices(tmp_path, day, HOURS[:length], count=length - 1))


def test_units_are_converted_and_points_stand_between_thousands(tmp_path: Path) -> None:
    path = prices(tmp_path, "01/06/2009", HOURS[:24], "Cent/kWh")
    assert load_omie_prices(path).value[0, 0] == 15
    assert load_omie_prices(path, "pt").value[0, 0] == 10 * 1001.5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Fecha;Hora\n", "must be a file of OMIE"),
        ("OMIE - Mercado;;01/06/2020\n;1;2;\n", r"must have a row with 'Precio marginal en el sistema español'"),
        ("OMIE;01/06/2020\n;1;\nPrecio marginal en el sistema español (Pts/kWh);1,0;\n", r"row 3: must have prices in EUR/MWh or Cent/kWh; got 'Pts/kWh'"),
        ("OMIE;day\n;1;\nPrecio marginal en el sistema español (EUR/MWh);1,0;\n", r"row 1: must have the day of delivery"),
    ],
)  # fmt: skip
def test_other_files_are_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "prices.txt"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(ValueError, match=message):
        load_omie_prices(path)


DAMAGE = [
    (b",50", b".50", r"row 4: must hold numbers with commas for decimals, .*; got '1\.50'"),
    (b",50", b".500", r"row 4: must hold numbers with commas for decimals, .*; got '1\.500'"),
    (b" 1,50", b" nan", r"row 4: must hold numbers with commas"),
    (b";1;2;3;", b";2;1;3;", r"row 3: must have the period 1 in place 1; got '2'"),
    (b";1;2;3;", b";1;2;4;", r"row 3: must have the period 3 in place 3; got '4'"),
    (b"  2,50", b"", r"row 4: must have the 24 periods of 01/06/2020; got '23, under 24'"),
    (b";", b",", r"`path` must be a file of OMIE, separated by semicolons"),
    (b";01/06/2020", b";06/25/2020", r"row 1: must have the day of delivery as dd/mm/yyyy; got '06/25/2020'"),
]


@pytest.mark.parametrize(("old", "new", "message"), DAMAGE)
def test_damaged_prices_are_told(old: bytes, new: bytes, message: str, tmp_path: Path) -> None:
    path = prices(tmp_path, "01/06/2020", HOURS[:24])
    assert old in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(old, new))
    with pytest.raises(ValueError, match=message):
        load_omie_prices(path)


def test_marks_and_line_ends_of_other_machines_change_nothing(tmp_path: Path) -> None:
    path = prices(tmp_path, "01/06/2020", HOURS[:24])
    plain, text = load_omie_prices(path).value, path.read_bytes().decode("latin-1")
    for other in (b"\xef\xbb\xbf" + text.encode(), text.encode(), text.replace("\n", "\r\n").encode("latin-1")):
        path.write_bytes(other)
        np.testing.assert_array_equal(load_omie_prices(path).value, plain)


BIDS = """OMEL - Mercado de electricidad;Fecha Emisión :01/01/2009 - 10:55;;02/01/2009;Mercado diario - Hora 1;;;;

{period};Fecha;Pais;Unidad;Tipo Oferta;Energía Compra/Venta;Precio Compra/Venta;Ofertada (O)/Casada (C);
1;02/01/2009;MI;;C;3.922,5;18,030;O;
1;02/01/2009;MI;;V;36,2;5,368;C;
;;;;;;;;
"""


@pytest.mark.parametrize("period", ["Hora", "Periodo"])
def test_bids_are_steps_of_curves(period: str, tmp_path: Path) -> None:
    path = tmp_path / "curve.txt"
    path.write_text(BIDS.format(period=period), encoding="latin-1")
    bids = load_omie_bids(path, "Cent/kWh")
    assert (bids.sells.tolist(), bids.cleared.tolist(), bids.period) == ([False, True], [False, True], ("1", "1"))
    np.testing.assert_allclose(bids.price, [180.3, 53.68])
    np.testing.assert_allclose(bids.quantity, [3922.5, 36.2])
    path.write_text(BIDS.format(period=period).replace(";V;", ";X;"), encoding="latin-1")
    with pytest.raises(ValueError, match=r"row 5: must be C or V, and O or C; got 'X, C'"):
        load_omie_bids(path, "EUR/MWh")
    with pytest.raises(ValueError, match="`unit` must be one of"):
        load_omie_bids(path, "EUR")


def test_published_days(shared_data: Path) -> None:
    folder = shared_data / "omie_bid_curve_2009"
    spring = load_omie_prices(folder / "PrecioMD_OMIE_20200329.txt")
    assert (len(spring.value), round(float(spring.value.mean()), 6)) == (23, 19.372174)
    june = load_omie_prices(folder / "PMD_20090601.txt")
    assert (len(june.value), round(float(june.value.mean()), 6)) == (24, 38.311667)


@pytest.mark.parametrize(("cleared", "price"), [(False, 49.94), (True, 53.69)])
def test_published_curves_cross(cleared: bool, price: float, shared_data: Path) -> None:
    bids = load_omie_bids(shared_data / "omie_bid_curve_2009" / "OfferAndDemandCurve_1_20090102.TXT", "Cent/kWh")
    sell, buy = (np.flatnonzero((bids.cleared == cleared) & (bids.sells == side)) for side in (True, False))
    book = clear(
        bids.price[None, sell, None], bids.quantity[None, sell, None], [0.0],
        bid_price=bids.price[None, buy], bid_quantity=bids.quantity[None, buy],
    )  # fmt: skip
    assert book.price[0] == pytest.approx(price, abs=1e-9)


@pytest.mark.parametrize(("old", "new", "message"), [
    (BIDS[BIDS.index("1;02") : BIDS.index(";;;;;;;;\n")], "", r"row 3: must have a step of a curve below it; got 'none'"),
    (";5,368;C;", ";5,3", r"row 5: must have the 8 cells of row 3; got '1; 02/01/2009; MI; ; V; 36,2; 5,3'"),
    ("18,030", "18.030", r"row 4: must hold numbers with commas for decimals, .*; got '18\.030'"),
    ("36,2", "-36,2", r"row 5: must have no negative quantity; got '-36,2'"),
])  # fmt: skip
def test_damaged_curves_are_told(old: str, new: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "curve.txt"
    path.write_text(BIDS.format(period="Hora").replace(old, new), encoding="latin-1")
    with pytest.raises(ValueError, match=message):
        load_omie_bids(path, "EUR/MWh")
