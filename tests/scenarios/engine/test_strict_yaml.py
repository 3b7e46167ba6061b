from pathlib import Path

import pytest
import yaml

from walras.scenarios.engine.strict_yaml import entries, load_yaml, read_yaml

# What YAML 1.1 makes of it in PyYAML's safe loader, and what it is here.
TRAPS = {
    "NO": (False, "str"), "yes": (True, "str"), "True": (True, "str"), "1e3": ("1e3", "float"), "12:30": (750, "str"),
    "010": (8, "str"), "0x1F": (31, "str"), "1_000": (1000, "str"), "true": (True, "bool"), "~": (None, "null"),
    "null": (None, "null"), "-5": (-5, "int"), "1.5e-3": (0.0015, "float"), ".5": (0.5, "float"), "0": (0, "int"),
    "'12'": ("12", "str"), ".inf": (float("inf"), "str"), "1e": ("1e", "str"),
}  # fmt: skip


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "market.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("text", TRAPS)
def test_a_word_is_a_word(text: str, tmp_path: Path) -> None:
    older, tag = TRAPS[text]
    assert yaml.safe_load(text) == older
    node = read_yaml(written(tmp_path, text))
    assert node.tag.rpartition(":")[2] == tag


def test_a_date_is_text(tmp_path: Path) -> None:
    assert not isinstance(yaml.safe_load("2018-01-01"), str)
    assert read_yaml(written(tmp_path, "2018-01-01")).tag.endswith(":str")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", r"line 3: `a` must stand once; it stands in line 1 already"),
        ("? [1, 2]\n: 3", r"line 1: a key must be a word; got a seq"),
        ("a: [", r"must be a file of YAML; got .*market\.yaml"),
        ("a: 1\n---\nb: 2", r"must be a file of YAML"),
        ("", r"which is empty"),
        ("[" * 5_000, r"must be a file of YAML"),
    ],
)
def test_what_is_no_market_is_refused_with_its_line(text: str, message: str, tmp_path: Path) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ValueError, match=message):
        entries(read_yaml(path), path)  # type: ignore[arg-type] - a mapping where it is read


def test_plain_content_has_nothing_where_there_is_no_value(tmp_path: Path) -> None:
    path = written(tmp_path, "a:\nb: ''\nc: ~\nd: [NO, 1e3, 010, true]\n")
    assert load_yaml(path) == {"a": None, "b": "", "c": None, "d": ["NO", 1000.0, "010", True]}
    (_, empty), *_ = read_yaml(path).value  # type: ignore[attr-defined]
    assert empty.tag.endswith(":str")  # a market's file leaves it to the key's type
