"""The tasks that a run is asked for, by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from benchmark.errors import UserError
from benchmark.progress import progress_bar
from tasks.demo import make_demo_tasks
from tasks.entries import DEMO_ENTRIES
from tasks.folder import TaskFolder, read_task, resolve_tasks
from tasks.published import published_faults

DEMO, ALL = "demo", "all"


def chosen_tasks(
    names: Sequence[str], tasks_dir: Path | None, out: Path, say: Callable[[str], None]
) -> list[TaskFolder]:
    """Tasks of a folder by their names, the demo tasks first.

    Parameters
    ----------
    names
        Of tasks or their folders; "all" or none for all of `tasks_dir`; "demo" for the built-in
        demo tasks, which are written into ``out/tasks``.
    tasks_dir
        None where there are only demo tasks; then they may be called by their own names too.
    say
        Told what is not the published task of its name.

    Raises
    ------
    UserError
        `tasks_dir` is missing.
    TaskError
        No such task, or it is at fault.
    """
    of_demo = {DEMO, *(entry.name for entry in DEMO_ENTRIES)} if tasks_dir is None else {DEMO}
    tasks = []
    if demo := [name for name in names if name in of_demo]:
        with progress_bar("synthesising the demo tasks"):
            made = make_demo_tasks(out / "tasks", () if DEMO in demo else demo)
        tasks += [read_task(path) for path in made]
    wanted = [name for name in names if name not in of_demo]
    if demo and not wanted:
        return tasks
    if tasks_dir is None:
        raise UserError("--tasks-dir (tasks_dir) is missing: name the folder of the task folders")
    found = resolve_tasks(tasks_dir, [name for name in wanted if name != ALL])
    for task in found:
        if faults := published_faults(task):
            say(f"{task.path.name} is not the published task, and tables say so: {faults[0]}")
    return tasks + found
