"""Options of protocols on the command line: declared once, checked, never ignored."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from benchmark.errors import UserError
from benchmark.protocols import arguments
from benchmark.protocols.arguments import add_protocol_options, protocol_from
from benchmark.protocols.hear.options import HearOptions, MultiseedOptions
from benchmark.protocols.options import ProtocolOptions, option
from benchmark.protocols.registry import Protocol, protocol, protocols


def parsed(line: str, say: Callable[[str], None] = print) -> tuple[Protocol, Any]:
    parser = argparse.ArgumentParser()
    add_protocol_options(parser)
    return protocol_from(parser.parse_args(line.split()), say)


def test_defaults_are_those_of_the_options() -> None:
    chosen, options = parsed("")
    assert (chosen.name, options) == ("hear", HearOptions())


def test_help_tells_a_default_that_is_called_default() -> None:
    parser = argparse.ArgumentParser()
    add_protocol_options(parser)
    text = " ".join(parser.format_help().split())
    assert "hear, hear-multiseed, hear-standardized: default 'default')" in text
    assert "--k N nearest neighbours that vote (knn: default 10)" in text


def test_options_are_read_by_the_chosen_protocol() -> None:
    line = "--protocol hear-multiseed --seeds 3,8 --grid faster --parallel-grid --train-device cuda"
    chosen, options = parsed(line)
    assert options == MultiseedOptions("faster", parallel_grid=True, device="cuda", seeds=(3, 8))
    assert chosen.seeds(options) == (3, 8)
    assert protocol("hear").seeds(HearOptions()) == (42,)
    assert options.that_change_scores() == {
        "grid": "faster",
        "grid_points": 8,
        "threads": 2,
        "parallel_grid": True,
        "device": "cuda",
        "seeds": [3, 8],
    }
    assert options.settings() == {"grid": "faster", "grid_points": 8, "parallel_grid": True}


def test_a_grid_that_measures_nothing_is_remarked_on() -> None:
    said: list[str] = []
    parsed("--grid faster --grid-points 2", said.append)
    assert said == []
    parsed("--grid faster --grid-points 1", said.append)
    (line,) = said
    assert "one point" in line and "do not tell models apart" in line


def test_what_changes_no_score_is_no_setting() -> None:
    options = HearOptions(engine="kit", in_memory=False)
    assert options.that_change_scores() == HearOptions().that_change_scores()
    assert options.value_of("engine") == "kit"
    assert protocol("knn").options().value_of("engine", "") == ""


def test_a_former_name_is_accepted_and_said() -> None:
    said: list[str] = []
    chosen, _ = parsed("--protocol hear-shuffled", said.append)
    assert chosen.name == "hear-multiseed"
    assert said == ["protocol hear-shuffled is called hear-multiseed now"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--protocol knnn", "unknown protocol 'knnn', did you mean 'knn'"),
        ("--k 5", "--k is not an option of protocol hear, but of: knn"),
        ("--protocol hear --seeds 1,2", "--seeds is not an option of protocol hear, .*multiseed"),
        ("--protocol knn --parallel-grid", "--parallel-grid is not an option of protocol knn"),
    ],
)
def test_what_a_protocol_does_not_have_is_refused(line: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        parsed(line)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--grid-points 0", "'0': expected a whole number of at least 1"),
        ("--seeds 1,1", "'1,1': expected different whole numbers"),
        ("--grid slow", "invalid choice: 'slow'"),
    ],
)
def test_wrong_values_are_named(line: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed(line)
    assert said in capsys.readouterr().err


def test_one_flag_is_declared_alike_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass(frozen=True)
    class Other(ProtocolOptions):
        k: float = option(0.5, "something else")

    other = replace(protocol("knn"), name="other", options=Other)
    monkeypatch.setattr(arguments, "protocols", lambda: (*protocols(), other))
    with pytest.raises(UserError, match="knn and other declare --k in different ways"):
        parsed("")


def test_help_needs_no_torch() -> None:
    program = """
import argparse, sys
from benchmark.protocols.arguments import add_protocol_options
parser = argparse.ArgumentParser()
add_protocol_options(parser)
assert "nearest neighbours" in parser.format_help()
assert "torch" not in sys.modules, "torch was imported for help"
"""
    subprocess.run([sys.executable, "-c", program], check=True)
