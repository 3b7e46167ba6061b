from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from walras.markets.matrix import MatrixGame
from walras.markets.matrix.nfg import format_nfg, parse_nfg, read_nfg, write_nfg

LISTED = """NFG 1 R "A game" { "Row" "Column" }
{ 3 2 }
"a comment"

1 10  2 20  3 30
4.5 40, 5e1 50, -1/3 60
"""
NAMED = """NFG 1 R "Outcomes" { "Row" "Column" } { { "U" "D" } { "L" "R" } }

{
{ "" 1, 2 }
{ "draw" 3 4 }
}
1 2 0 1
"""


class TestReading:
    def test_the_first_action_is_the_fastest(self) -> None:
        game = parse_nfg(LISTED)
        assert game.sizes == (3, 2)
        assert game.agents == ("Row", "Column")
        assert game.exact[0].tolist() == [[1, Fraction(9, 2)], [2, 50], [3, Fraction(-1, 3)]]
        assert game.payoff[1].tolist() == [[10, 40], [20, 50], [30, 60]]

    def test_outcomes_and_none(self) -> None:
        game = parse_nfg(NAMED)
        assert game.actions == (("U", "D"), ("L", "R"))
        assert game.payoff[0].tolist() == [[1, 0], [3, 1]]
        assert game.payoff[1].tolist() == [[2, 0], [4, 2]]

    def test_equal_names_get_a_number(self) -> None:
        text = 'NFG 1 R "" { "a" "a" }\n{ { "x" "x" "x_2" } { "y" } } 1 2 3 4 5 6'
        with pytest.warns(UserWarning, match=r"`mine\.nfg` has equal names") as told:
            game = parse_nfg(text, "mine.nfg")
        assert [str(each.message) for each in told] == [
            "`mine.nfg` has equal names in line 1; the later are called 'a_2'.",
            "`mine.nfg` has equal names in line 2; the later are called 'x_3'.",
        ]
        assert game.agents == ("a", "a_2")
        assert game.actions[0] == ("x", "x_3", "x_2")

    def test_quotes_in_names(self) -> None:
        game = MatrixGame([[1, 2]], actions=[['say "hi"', "back\\slash"]])
        assert parse_nfg(format_nfg(game)).actions == game.actions


class TestRoundTrip:
    def test_1000_games_of_unequal_sizes(self) -> None:
        rng = np.random.default_rng(0)
        for k in range(1000):
            sizes = tuple(rng.integers(1, 4, size=rng.integers(1, 4)).tolist())
            payoff = rng.normal(size=(len(sizes), *sizes)) * 10.0 ** rng.integers(-12, 12)
            game = MatrixGame(payoff if k % 2 else rng.integers(-9, 9, size=payoff.shape))
            back = parse_nfg(format_nfg(game, "t"))
            assert np.array_equal(back.payoff, game.payoff)
            assert (back.actions, back.agents) == (game.actions, game.agents)

    def test_fractions_are_exact(self, tmp_path: Path) -> None:
        payoff = np.array([[[Fraction(1, 3), Fraction(2, 7)]], [[Fraction(10**30, 3), 0]]], dtype=object)
        game = MatrixGame(payoff)
        write_nfg(game, tmp_path / "thirds.nfg", "thirds")
        assert (read_nfg(tmp_path / "thirds.nfg").exact == game.exact).all()


class TestRefused:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "after line 1; got its end"),
            ('EFG 2 R "x"', "must hold 'NFG' in line 1; got 'EFG'"),
            (LISTED.replace("5e1 50", "5e1"), "must hold a number after line 6; got its end"),
            (LISTED.replace("4.5", "four"), "must hold a number in line 6; got 'four'"),
            (LISTED.replace("-1/3", "1/0"), "must hold a number in line 6; got '1/0'"),
            (LISTED + "7", "must hold nothing more in line 7; got '7'"),
            (LISTED.replace("{ 3 2 }", "{ 3 }"), "must hold a whole number from 1 to inf in line 2"),
            (LISTED.replace("{ 3 2 }", "{ 3 0 }"), "must hold a whole number from 1 to inf in line 2; got '0'"),
            (NAMED.replace("1 2 0 1", "1 2 0 3"), "must hold a whole number from 0 to 2 in line 7; got '3'"),
            (NAMED.replace('"draw"', '"draw'), "in line 5"),
        ],
    )
    def test_the_line_is_named(self, text: str, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            parse_nfg(text)

    def test_the_file_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "cut.nfg").write_text(LISTED[:-10])
        with pytest.raises(ValueError, match=r"cut\.nfg` must hold a number"):
            read_nfg(tmp_path / "cut.nfg")
