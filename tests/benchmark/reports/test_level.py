"""What is printed bold: the best of a column and what is not significantly below it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_up_records import made_up

from benchmark.records.comparability import comparable_groups
from benchmark.records.record import Record
from benchmark.reports.comparison import KeptPredictions
from benchmark.reports.formats import Table
from benchmark.reports.level import (
    DIGITS,
    INTERVALS,
    PREDICTIONS,
    Candidate,
    Gap,
    gap,
    level_with_best,
    mean_gap,
    of_interval,
)
from benchmark.reports.tables import detail_tables, summary_table

CLIPS, LABELS = 400, 4
FSD50K = "fsd50k-v1.0-full"


def keep(root: Path, record: Record, right: float) -> Record:
    """Predictions of which the first `right` of the clips are right."""
    folder = root / record.unit.folder
    folder.mkdir(parents=True)
    target = np.eye(LABELS, dtype=np.uint8)[np.arange(CLIPS) % LABELS]
    hits = np.arange(CLIPS) < right * CLIPS
    np.savez(
        folder / "test.predictions.npz",
        prediction=np.where(hits[:, None], target, np.roll(target, 1, axis=1)) + 0.1,
        target=target,
        clip=np.array([f"{row}.wav" for row in range(CLIPS)]),
    )
    return record


def scored(root: Path, skills: dict[str, float], folder: str = "esc50-v2.0.0-full") -> list[Record]:
    return [
        keep(root, made_up(name, folder, {"top1_acc": skill}), skill)
        for name, skill in skills.items()
    ]


def bold(table: Table) -> set[tuple[str, str]]:
    return {
        (row.label, column.name)
        for row in table.rows
        for column, cell in zip(table.columns, row.cells, strict=True)
        if cell.best
    }


def test_what_is_not_significantly_below_the_best_is_as_bold(tmp_path: Path) -> None:
    """4 clips of 400 apart are chance (p 0.13 exactly), 40 are not."""
    records = scored(tmp_path, {"crepe": 0.90, "byol_a": 0.89, "logmel": 0.80})
    (group,) = comparable_groups(records)
    table = summary_table(group, KeptPredictions((tmp_path,)))
    assert bold(table) == {("crepe", "esc50"), ("byol_a", "esc50")}
    assert any(note.endswith("by the kept predictions.") for note in table.notes)
    # Without predictions and intervals there are the digits alone, and that is said.
    table = summary_table(group)
    assert bold(table) == {("crepe", "esc50")}
    assert any("by the printed digits (no intervals either)." in n for n in table.notes)


def test_a_mean_over_tasks_is_compared_on_its_tasks(tmp_path: Path) -> None:
    names = ("crepe", "byol_a", "logmel")
    records = [
        *scored(tmp_path, dict(zip(names, (0.90, 0.8925, 0.60), strict=True))),
        *scored(tmp_path, dict(zip(names, (0.50, 0.50, 0.50), strict=True)), FSD50K),
    ]
    (group,) = comparable_groups(records)
    table = summary_table(group, KeptPredictions((tmp_path,)))
    assert {row for row, column in bold(table) if column == "mean"} == {"crepe", "byol_a"}


def test_a_mean_over_some_tasks_is_never_bold(tmp_path: Path) -> None:
    records = [
        *scored(tmp_path, {"crepe": 0.4, "logmel": 0.3, "byol_a": 0.99}),
        *scored(tmp_path, {"crepe": 0.4, "logmel": 0.3, "byol_a": 0.99}, FSD50K),
        *scored(tmp_path, {"crepe": 0.4, "logmel": 0.3}, "gunshot_triangulation-v1.0-full"),
    ]
    (group,) = comparable_groups(records)
    table = summary_table(group, KeptPredictions((tmp_path,)))
    assert ("byol_a", "esc50") in bold(table)
    assert {row for row, column in bold(table) if column == "mean"} == {"crepe"}


def test_other_metrics_than_the_primary_one_take_intervals_where_they_would_take_long(
    tmp_path: Path,
) -> None:
    scores = {"top1_acc": [0.9, 0.8], "mAP": [0.9, 0.8], "d_prime": [2.0, 2.1]}
    records = [
        keep(tmp_path, made_up("crepe", scores=scores), 0.9),
        keep(tmp_path, made_up("logmel", scores={k: [0.1, 0.2] for k in scores}), 0.1),
    ]
    (group,) = comparable_groups(records)
    (table,) = detail_tables(group, KeptPredictions((tmp_path,)))
    (note,) = (note for note in table.notes if note.startswith("Bold"))
    assert "top1_acc by the kept predictions;" in note
    assert note.endswith(
        "mAP, d_prime by intervals over folds or seeds (no predictions to compare)."
    )


@pytest.mark.parametrize(
    ("candidates", "lower", "best", "ways"),
    [
        # Standard errors of 0.01: 0.01 apart is chance, 0.1 is not.
        ([(0.9, 0.01), (0.89, 0.01), (0.8, 0.01)], False, {0, 1}, {INTERVALS}),
        ([(0.9, 0.01), (0.89, 0.01), (0.8, 0.01)], True, {2}, {INTERVALS}),
        ([(0.9, None), (0.89, 0.01), (0.9001, None)], False, {0, 2}, {DIGITS}),
        ([(0.9, 0.01), (None, None), (0.1, None)], False, {0}, {DIGITS}),
        ([(float("inf"), None), (2.0, 0.1)], False, {0}, {DIGITS}),
        ([(0.9, 0.01), (0.9, 0.01)], False, set(), set()),
        ([(0.9, 0.01)], False, set(), set()),
        ([], False, set(), set()),
    ],
)
def test_ways(
    candidates: list[tuple[float | None, float | None]],
    lower: bool,
    best: set[int],
    ways: set[str],
) -> None:
    found = level_with_best([Candidate(*one, 4) for one in candidates], lower=lower)
    assert (found.best, found.ways) == (best, ways)


def test_several_comparisons_are_corrected_together() -> None:
    """p 0.04 alone is below 0.05; as the smaller of two it is not."""
    values = [Candidate(0.9), Candidate(0.8), Candidate(0.7)]

    def compared(best: int, other: int) -> Gap:
        return Gap(0.1, 0.05, 9.0, 0.04 if other == 1 else 0.9, PREDICTIONS)

    assert level_with_best(values[:2], compared=compared).best == {0}
    assert level_with_best(values, compared=compared).best == {0, 1, 2}


def test_welch_and_printed_intervals() -> None:
    from scipy import stats

    found = gap(Candidate(0.9, 0.02, 4), Candidate(0.85, 0.01, 2))
    expected = stats.ttest_ind_from_stats(
        0.9, 0.02 * 5**0.5, 5, 0.85, 0.01 * 3**0.5, 3, equal_var=False
    )
    assert found.p_value == pytest.approx(expected.pvalue)
    one = of_interval(0.9, 0.0278, 5)
    assert one.standard_error == pytest.approx(0.0100, abs=1e-4)
    assert of_interval(0.9, None, 5) == Candidate(0.9)


def test_a_mean_of_gaps_needs_all_errors() -> None:
    known = Gap(0.2, 0.03, 10.0, 0.01, PREDICTIONS)
    other = Gap(0.4, 0.04, 10.0, 0.01, INTERVALS)
    found = mean_gap([known, other], [0.5, 0.5])
    assert found is not None
    assert found.value == pytest.approx(0.3)
    assert found.standard_error == pytest.approx(0.025)
    assert found.way == INTERVALS
    assert mean_gap([known, Gap(0.1, None, 1.0, 0.0, DIGITS)], [0.5, 0.5]) is None
