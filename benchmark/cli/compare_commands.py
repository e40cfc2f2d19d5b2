"""``compare``, ``compare-probes`` and ``cka``: models beside each other."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from benchmark.cli.console import DONE, say
from benchmark.cli.options import Commands, add_command, add_layers, add_out, count, names
from benchmark.errors import UserError

if TYPE_CHECKING:
    from benchmark.records.comparability import ComparableGroup, RowKey
    from benchmark.reports.formats import Table

ALL = "all"
RESAMPLES = 1000  # as in benchmark.reports.comparison, which takes seconds to import


def add_commands(commands: Commands) -> None:
    """Declare ``compare``, ``compare-probes`` and ``cka``."""
    compare = add_command(
        commands, "compare", _compare, "tell models apart: two by their predictions, more by ranks"
    )
    compare.add_argument(
        "models",
        nargs="+",
        metavar="MODEL",
        help=f"module, <module>-<key>, or name as in the tables; {ALL} for all models",
    )
    add_out(compare, "folder of the run; tables go to DIR/tables/compare")
    compare.add_argument("--tasks", default="", metavar="A,B", help="only these tasks")
    compare.add_argument("--protocol", default="", metavar="NAME", help="only this protocol")
    compare.add_argument(
        "--resamples",
        type=count,
        default=RESAMPLES,
        metavar="N",
        help=f"bootstrap samples, and as many permutations (default: {RESAMPLES})",
    )
    compare.add_argument(
        "--each-clip",
        action="store_true",
        help="draw each clip alone, though the task tells which are of one speaker or recording",
    )
    probes = add_command(
        commands, "compare-probes", _compare_probes, "how the ranking of models changes by protocol"
    )
    add_out(probes, "folder of the run; tables go to DIR/tables/compare-probes")
    cka = add_command(commands, "cka", _cka, "how alike models place the clips of a task (CKA)")
    cka.add_argument(
        "models",
        nargs="*",
        metavar="MODEL",
        help="module, <module>-<key>, or display name (default: all)",
    )
    add_out(cka, "folder of the run; tables go to DIR/tables/cka")
    cka.add_argument("--task", required=True, metavar="NAME", help="name of the task or its folder")
    cka.add_argument("--split", default=None, metavar="NAME", help="only clips of this split")
    add_layers(cka, "compare layers of the models, embedded by `embed --representation layers`")


def _compare(options: argparse.Namespace) -> int:
    from benchmark.records.record import read_records
    from benchmark.reports.model_comparison import chosen_groups, require_models, row_named

    out = Path(options.out)
    groups = chosen_groups(read_records(out / "records"), options.protocol, names(options.tasks))
    models = list(dict.fromkeys(options.models))
    if models == [ALL]:
        rows_by_group = [list(group.rows) for group in groups]
    else:
        require_models(groups, models)
        of_groups = [[row_named(group, model) for model in models] for group in groups]
        rows_by_group = [[row for row in rows if row is not None] for rows in of_groups]
    if len(models) < 2 and all(len(rows) < 2 for rows in rows_by_group):
        raise UserError("one model cannot be compared; name at least two that have records")
    made, reasons = 0, []
    for group, rows in zip(groups, rows_by_group, strict=True):
        if len(rows) == 2 and (len(models) == 2 or models == [ALL]):
            written, left_out = _compare_pair(
                group, rows, out, options.resamples, not options.each_clip
            )
            reasons += left_out
        else:
            written, reason = _rank(group, rows, out)
            reasons += reason
        made += written
    for line in reasons:
        say(f"left out: {line}")
    if not made:
        raise UserError(
            f"{', '.join(models)}: nothing to compare under one protocol with the same settings;"
            " two models take a scene task with kept predictions, more take two common tasks"
        )
    say(f"tables in {out / 'tables' / 'compare'}")
    return DONE


def _compare_pair(
    group: ComparableGroup, rows: Sequence[RowKey], out: Path, resamples: int, grouped: bool
) -> tuple[bool, list[str]]:
    """Whether there was anything to write, and why tasks were left out where no table says it."""
    from benchmark.reports.formats import markdown
    from benchmark.reports.model_comparison import compare_two

    found = compare_two(
        group,
        (rows[0], rows[1]),
        out / "evaluations",
        out / "embeddings" if grouped else None,
        resamples=resamples,
        on_task=lambda task: say(f"comparing on {task}"),
    )
    if not found.tasks:
        return False, list(found.left_out)
    table = found.table()
    _print(table)
    contents = {"md": markdown(table), "csv": found.csv()}
    _write(out / "tables" / "compare" / group.slug, found.name, contents)
    return True, []


def _rank(group: ComparableGroup, rows: Sequence[RowKey], out: Path) -> tuple[bool, list[str]]:
    from benchmark.reports.figures import critical_difference
    from benchmark.reports.formats import csv_text, markdown
    from benchmark.reports.model_comparison import rank_models

    try:
        ranking = rank_models(group, list(dict.fromkeys(rows)))
    except UserError as error:
        return False, [str(error)]
    table = ranking.table()
    _print(table)
    contents = {"md": markdown(table), "csv": csv_text(table), "json": ranking.json()}
    folder = out / "tables" / "compare" / group.slug
    _write(folder, table.name, contents)
    try:
        drawn = critical_difference(ranking.found, ranking.title)
    except UserError as error:
        return True, [f"the diagram of {ranking.title}: {error}"]
    for ending, picture in drawn.items():
        (folder / f"{table.name}.{ending}").write_bytes(picture)
    return True, []


def _compare_probes(options: argparse.Namespace) -> int:
    from benchmark.records.record import read_records
    from benchmark.reports.probe_comparison import compare_probes

    out = Path(options.out)
    found = compare_probes(read_records(out / "records"))
    for table in found.tables():
        _print(table)
    contents = {"md": found.to_markdown(), "csv": found.to_csv(), "svg": found.to_svg()}
    _write(out / "tables" / "compare-probes", "probes", contents)
    say(f"tables and drawing in {out / 'tables' / 'compare-probes'}")
    return DONE


def _cka(options: argparse.Namespace) -> int:
    from benchmark.embeddings.layers import WEIGHTED
    from benchmark.probes.similarity import similarities_on_task
    from benchmark.records.work_unit import layers_text
    from benchmark.reports.formats import markdown
    from benchmark.reports.similarity import heat_map, similarity_table

    out = Path(options.out)
    if WEIGHTED in options.layers:
        raise UserError("--layers weighted: similarity learns no weights; name layers, or all")
    with TemporaryDirectory() as work, ExitStack() as views:
        folders = _embeddings_of(out, options.task, options.models, bool(options.layers))
        if options.layers:
            folders = {
                f"{name}{layers_text(one)}": views.enter_context(view)
                for name, folder in folders.items()
                for one, view in _layers_of(folder, options.layers, Path(work, name))
            }
        if len(folders) < 2:
            raise UserError(
                f"{out}: embeddings of {options.task} by {len(folders)} model; similarity takes at"
                " least two"
            )
        found = similarities_on_task(folders, split=options.split).ordered()
    parts = (options.task, options.split, "layers" if options.layers else None)
    where = ", ".join(filter(None, parts))
    table = similarity_table(found, f"Linear CKA on {where}")
    _print(table)
    contents = {"md": markdown(table), "csv": found.to_csv(), "svg": heat_map(found)}
    _write(out / "tables" / "cka", where.replace(", ", "-"), contents)
    say(f"tables and heat map in {out / 'tables' / 'cka'}")
    return DONE


def _layers_of(
    folder: Path, layers: Sequence[str], work: Path
) -> Iterator[tuple[str, AbstractContextManager[Path]]]:
    """Selections of layers, and what gives the folder of each."""
    from benchmark.embeddings.layers import selections_of
    from benchmark.embeddings.selected_layers import selected_layers
    from benchmark.embeddings.store import read_info

    sizes = (read_info(folder) or {})["layer_sizes"]
    found = dict.fromkeys(one for wanted in layers for one in selections_of(wanted, sizes))
    for one in found:
        yield one, selected_layers(folder, one, sizes, work / one)


def _embeddings_of(out: Path, task: str, models: list[str], layers: bool) -> dict[str, Path]:
    """Folders of the complete embeddings of a task, by layers or not, by a short name of models."""
    from benchmark.embeddings.store import finished_embeddings, read_info

    infos = {
        folder: info
        for folder in finished_embeddings(out)
        if ("layer_sizes" in (info := read_info(folder) or {})) == layers
    }
    of_task = {
        folder: info
        for folder, info in infos.items()
        if task in (info.get("task_name"), info.get("task"))
    }
    if not of_task:
        there = ", ".join(sorted({str(info.get("task_name")) for info in infos.values()})) or "none"
        raise UserError(f"{out}: no embeddings of the task {task!r}; there are {there}")
    called = {
        folder: (info.get("module"), folder.parent.name, info.get("name"))
        for folder, info in of_task.items()
    }
    for model in models:
        if not any(model in each for each in called.values()):
            there = ", ".join(sorted({str(each[0]) for each in called.values()}))
            raise UserError(f"{out}: no embeddings of {task} by {model!r}; there are {there}")
    chosen = [folder for folder in of_task if not models or set(models) & set(called[folder])]
    return _short_names({folder: of_task[folder] for folder in chosen})


def _short_names(infos: Mapping[Path, Mapping[str, object]]) -> dict[str, Path]:
    short = {
        folder: str(info.get("name") or str(info.get("module", "")).rpartition(".")[2])
        for folder, info in infos.items()
    }
    for longer in (lambda folder: folder.parent.name, lambda folder: "/".join(folder.parts[-2:])):
        taken = list(short.values())
        short = {
            folder: longer(folder) if taken.count(name) > 1 else name
            for folder, name in short.items()
        }
    return {name: folder for folder, name in short.items()}


def _print(table: Table) -> None:
    from benchmark.reports.formats import terminal

    print(terminal(table))


def _write(folder: Path, name: str, contents: Mapping[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for ending, content in contents.items():
        path = folder / f"{name}.{ending}"
        path.write_text(content, encoding="utf-8", newline="\n")
