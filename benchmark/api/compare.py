"""Models told apart: as ``hear-benchmark compare``."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.api.dataframes import require_pandas
from benchmark.api.errors import user_errors
from benchmark.api.results import RECORDS
from benchmark.records.record import read_records
from benchmark.reports.comparison import RESAMPLES
from benchmark.reports.formats import terminal
from benchmark.reports.model_comparison import (
    ALL_MODELS,
    PAIR_COLUMNS,
    PairComparison,
    Ranking,
    compare_models,
)


@dataclass(frozen=True)
class ModelsCompared:
    """What tells models apart; printed, it is what ``hear-benchmark compare`` prints.

    Attributes
    ----------
    pairs
        Two models by their predictions, for each protocol and settings under which both have some.
    rankings
        Three models or more by their ranks, likewise.
    left_out
        What could not be compared, and why, a line each.
    """

    pairs: tuple[PairComparison, ...]
    rankings: tuple[Ranking, ...]
    left_out: tuple[str, ...]

    def to_dataframe(self) -> Any:
        """A pandas DataFrame: of pairs a row for each task, of rankings one for each model."""
        pandas = require_pandas()
        frames = []
        for pair in self.pairs:
            frame = pandas.DataFrame(pair.rows(), columns=PAIR_COLUMNS)
            frames.append(frame.assign(table=pair.group.title))
        for ranking in self.rankings:
            ranks = ranking.found.mean_ranks
            frames.append(
                pandas.DataFrame(
                    {
                        "model": list(ranks),
                        "mean_rank": list(ranks.values()),
                        "p": ranking.found.p_value,
                        "critical_difference": ranking.found.critical_difference,
                        "table": ranking.group.title,
                    }
                )
            )
        return pandas.concat(frames, ignore_index=True)

    def __str__(self) -> str:
        tables = [found.table() for found in self.pairs]
        tables += [found.table() for found in self.rankings]
        return "\n".join(map(terminal, tables))


@user_errors()
def compare(
    models: str | Sequence[str] = ALL_MODELS,
    *,
    out: str | Path,
    tasks: Collection[str] = (),
    protocol: str = "",
    resamples: int = RESAMPLES,
    each_clip: bool = False,
) -> ModelsCompared:
    """Is A better than B? Two models by their predictions on the same clips, more by their ranks.

    Nothing is written; the command also writes tables, and draws the diagram of ranks.

    Parameters
    ----------
    models
        Module, ``<module>-<key>``, or name as in the tables, of each; "all" for all models.
    out
        Folder of the run.
    tasks, protocol
        Only these tasks, only this protocol; all where empty.
    resamples
        Bootstrap samples, and as many permutations.
    each_clip
        Draw each clip alone, though the task tells which are of one speaker or recording.

    Raises
    ------
    UserError
        No such model, task or protocol in the records, or nothing that can be compared.
    """
    folder = Path(out)
    listed = [models] if isinstance(models, str) else list(models)
    wanted = [tasks] if isinstance(tasks, str) else list(tasks)
    found = compare_models(
        read_records(folder / RECORDS),
        listed,
        folder,
        protocol=protocol,
        tasks=wanted,
        resamples=resamples,
        grouped=not each_clip,
    )
    return ModelsCompared(
        tuple(one for one in found.made if isinstance(one, PairComparison)),
        tuple(one for one in found.made if isinstance(one, Ranking)),
        found.left_out,
    )
