"""The living board: one JSON file a model, a page of all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from made_up_records import made_up

from benchmark.errors import UserError
from benchmark.reports.leaderboards.hear import leaderboard_row
from benchmark.reports.leaderboards.living import add_row, read_row, write_page

DAY = "2026-11-21"
RECORDS = [made_up(scores={"top1_acc": [0.5] * 5})]


def test_a_row_has_the_scores_of_the_leaderboards(tmp_path: Path) -> None:
    path = add_row(RECORDS, "CREPE", "https://example.org", DAY, tmp_path)
    row = read_row(path)
    assert path.name == "crepe.json"
    assert row.scores == {"esc50": 0.5}
    assert "0.5" in leaderboard_row(RECORDS, row.name, row.url, DAY).split(",")


def test_the_page_shows_all_rows_and_escapes_them(tmp_path: Path) -> None:
    add_row(RECORDS, "CREPE", "https://example.org", DAY, tmp_path)
    add_row([made_up(scores={"top1_acc": 0.25})], "<b>", "javascript:alert(1)", DAY, tmp_path)
    page = write_page(tmp_path).read_text()
    assert '<a href="https://example.org">CREPE</a>' in page
    assert "<b>0.500</b>" in page and "<td>0.250</td>" in page
    assert "&lt;b&gt;" in page and "javascript" not in page


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"scores": {"esc50": 1.5}}, "expected a fraction"),
        ({"scores": {"esc51": 0.5}}, "no task 'esc51'"),
        ({"date": "today"}, "the date is written like"),
        ({"more": 1}, "no row of the board"),
    ],
)
def test_a_wrong_file_is_named_and_the_page_stays(
    tmp_path: Path, changes: dict[str, object], reason: str
) -> None:
    path = add_row(RECORDS, "CREPE", "https://example.org", DAY, tmp_path)
    before = write_page(tmp_path).read_text()
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    with pytest.raises(UserError, match=reason) as error:
        write_page(tmp_path)
    assert str(path) in str(error.value)
    assert (tmp_path / "index.html").read_text() == before


def test_what_does_not_belong_there_leaves_no_file(tmp_path: Path) -> None:
    demo = made_up(scores={"top1_acc": 0.5}, unit={"options": {"grid": "fast", "grid_points": 2}})
    with pytest.raises(UserError, match="leaderboard"):
        add_row([demo], "CREPE", "https://example.org", DAY, tmp_path)
    with pytest.raises(UserError, match="no rows"):
        write_page(tmp_path)
    assert not list(tmp_path.iterdir())


def test_names_that_share_a_file_are_refused(tmp_path: Path) -> None:
    add_row(RECORDS, "CREPE", "https://example.org", DAY, tmp_path)
    with pytest.raises(UserError, match="choose another --name"):
        add_row(RECORDS, "Crepe!", "https://example.org", DAY, tmp_path)
