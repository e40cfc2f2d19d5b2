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
    from benchmark.reports.formats import Table
    from benchmark.reports.model_comparison import Ranking

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
    probes.add_argument("--tasks", default="", metavar="A,B", help="only these tasks")
    probes.add_argument("--protocols", default="", metavar="A,B", help="only these protocols")
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
    from benchmark.reports.formats import markdown
    from benchmark.reports.model_comparison import PairComparison, compare_models

    out = Path(options.out)
    found = compare_models(
        read_records(out / "records"),
        options.models,
        out,
        protocol=options.protocol,
        tasks=names(options.tasks),
        resamples=options.resamples,
        grouped=not options.each_clip,
        on_task=lambda task: say(f"comparing on {task}"),
    )
    left_out = list(found.left_out)
    for one in found.made:
        table = one.table()
        _print(table)
        folder = out / "tables" / "compare" / one.group.slug
        if isinstance(one, PairComparison):
            _write(folder, one.name, {"md": markdown(table), "csv": one.csv()})
        else:
            left_out += _write_ranking(folder, one, table)
    for line in left_out:
        say(f"left out: {line}")
    say(f"tables in {out / 'tables' / 'compare'}")
    return DONE


def _write_ranking(folder: Path, ranking: Ranking, table: Table) -> list[str]:
    """Write ranks and draw their diagram; why it was not drawn."""
    from benchmark.reports.figures import critical_difference
    from benchmark.reports.formats import csv_text, markdown

    contents = {"md": markdown(table), "csv": csv_text(table), "json": ranking.json()}
    _write(folder, table.name, contents)
    try:
        drawn = critical_difference(ranking.found, ranking.title)
    except UserError as error:
        return [f"the diagram of {ranking.title}: {error}"]
    for ending, picture in drawn.items():
        (folder / f"{table.name}.{ending}").write_bytes(picture)
    return []


def _compare_probes(options: argparse.Namespace) -> int:
    from benchmark.records.record import read_records
    from benchmark.reports.probe_comparison import compare_probes

    out = Path(options.out)
    tasks, protocols = names(options.tasks), names(options.protocols)
    found = compare_probes(
        record
        for record in read_records(out / "records")
        if (not tasks or record.task.name in tasks or record.unit.embedding.task in tasks)
        and (not protocols or record.unit.protocol in protocols)
    )
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
