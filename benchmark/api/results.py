"""Result records of runs, as data frames and tables."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from benchmark.api.dataframes import require_pandas
from benchmark.api.errors import user_errors
from benchmark.errors import UserError
from benchmark.records.comparability import comparable_groups, names_of_rows, rows_of
from benchmark.records.record import Record, read_records
from benchmark.reports.comparison import KeptPredictions
from benchmark.reports.scores import score_summary
from benchmark.reports.tables import terminal_tables

RECORDS = "records"
LONG_COLUMNS = (
    "model,module,options,weights,dtype,resampler,task,task_folder,domain,demo,protocol,version,"
    "protocol_options,fold,seed,metric,primary,value"
)


@dataclass(frozen=True)
class Results:
    """Result records; printed, they are the tables of ``hear-benchmark run``.

    Attributes
    ----------
    records
        One for each model, task and protocol.
    failures
        Of a run, a line for each model or task that could not be finished.
    embeddings
        Of a run, folders for `benchmark.api.load_embeddings.load_embeddings`.
    folders
        Of the runs; predictions that are kept there decide what is level with the best.
    """

    records: tuple[Record, ...]
    failures: tuple[str, ...] = ()
    embeddings: tuple[Path, ...] = ()
    folders: tuple[Path, ...] = ()

    @user_errors()
    def to_dataframe(self, form: Literal["long", "wide"] = "long") -> Any:
        """The scores as a pandas DataFrame.

        Parameters
        ----------
        form
            "long": a row for each score, that is model, task, protocol, fold, seed and metric.
            "wide": a row for each model under a protocol, a column for each task with the mean of
            its primary metric, in which undefined scores count as the worst.

        Raises
        ------
        UserError
            pandas is not installed, or there is no such form.
        """
        if form not in ("long", "wide"):
            raise UserError(f"form is {form!r}; expected 'long' or 'wide'")
        return _long(self.records) if form == "long" else _wide(self.records)

    def __str__(self) -> str:
        kept = KeptPredictions(tuple(folder / "evaluations" for folder in self.folders))
        return terminal_tables(comparable_groups(self.records), kept=kept)


@user_errors()
def results(path: str | Path | Iterable[str | Path]) -> Results:
    """Read the result records of runs.

    Parameters
    ----------
    path
        Folder of a run (``--out``), any folder of records, or several of them.

    Raises
    ------
    UserError
        A folder has no records, or one cannot be read.
    """
    folders = [Path(one) for one in ([path] if isinstance(path, (str, Path)) else path)]
    records: list[Record] = []
    for folder in folders:
        of_run = folder / RECORDS
        found = read_records(of_run if of_run.is_dir() else folder)
        if not found:
            raise UserError(f"{folder}: no result records; expected the folder of a run")
        records += found
    return Results(tuple(records), folders=tuple(folders))


def _long(records: Sequence[Record]) -> Any:
    rows = rows_of(records)
    names = {id(record): name for row, name in names_of_rows(rows).items() for record in rows[row]}
    lines = [
        (
            names[id(record)],
            record.module,
            json.dumps(record.unit.model.options),
            record.weights.get("weights"),
            record.unit.model.dtype,
            record.unit.embedding.resampler,
            record.task.name,
            record.unit.embedding.task,
            record.task.domain,
            record.task.demo,
            record.unit.protocol,
            record.unit.version,
            json.dumps(record.unit.options),
            score.fold,
            score.seed,
            score.metric,
            score.metric == record.primary_metric,
            score.value,
        )
        for record in records
        for score in record.scores
    ]
    frame = require_pandas().DataFrame(lines, columns=LONG_COLUMNS.split(","))
    return frame.astype({"value": float})


def _wide(records: Sequence[Record]) -> Any:
    lines = []
    for group in comparable_groups(records):
        for row, name in group.rows.items():
            line: dict[str, Any] = {"table": group.title, "model": name}
            for task, its_name in group.tasks.items():
                record = group.records.get((row, task))
                if record is None:
                    continue
                summary = score_summary(record, record.primary_metric)
                line[f"{its_name} {record.primary_metric}"] = summary.mean if summary else None
            lines.append(line)
    frame = require_pandas().DataFrame(lines)
    return frame.set_index(["table", "model"]).astype(float) if lines else frame
