"""X-ARES: task folders as the tars of audio that the package downloads, so that it runs offline.

Layouts: the task files of xares 0.1.3. A sample of a tar is ``<key>.wav`` and ``<key>.json``.
"""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.errors import UserError
from tasks.folder import TaskFolder

READY = ".audio_tar_ready"


@dataclass(frozen=True)
class Layout:
    """How X-ARES keeps a task.

    Attributes
    ----------
    folder
        Under ``env``.
    splits
        Number of folds.
    file
        Name of the tar of a fold, counted from 0 in the order of our folds.
    label
        The JSON of a clip, from its label and the label's place in the vocabulary.
    """

    folder: str
    splits: int
    file: Callable[[int], str]
    label: Callable[[str, int], Mapping[str, Any]]


# ESC-50's own numbers of labels are not in our folders: any numbering gives the same scores.
LAYOUTS: Mapping[str, Layout] = {
    "esc50": Layout(
        "esc50",
        5,
        lambda fold: f"wds-audio-fold-{fold + 1}-0000000.tar",
        lambda label, place: {"label": place},
    ),
    "tfds_gtzan": Layout(
        "gtzan_genre",
        10,
        lambda fold: f"gtzan_fold_{fold}_0000000.tar",
        lambda label, place: {"genre": label},
    ),
    "libricount": Layout(
        "libricount",
        5,
        lambda fold: f"libricount_fold{fold:02d}.tar",
        lambda label, place: {"num_speakers": int(label)},
    ),
}


def write_tars(task: TaskFolder, env: Path) -> Path:
    """Write the tars of a task, as its audio of the highest rate is.

    Parameters
    ----------
    env
        X-ARES's folder of that name.

    Returns
    -------
    Path
        The folder of the task, marked as complete for X-ARES.

    Raises
    ------
    UserError
        X-ARES has no such task, or other folds.
    """
    layout = LAYOUTS.get(task.name)
    if layout is None:
        raise UserError(f"{task.path}: X-ARES tars are made of {', '.join(LAYOUTS)} only")
    if len(task.splits) != layout.splits:
        raise UserError(f"{task.path}: {len(task.splits)} splits, X-ARES has {layout.splits}")
    folder = env / layout.folder
    folder.mkdir(parents=True, exist_ok=True)
    places = {label: place for place, label in enumerate(task.labels)}
    rate = task.best_rate()
    for fold, split in enumerate(sorted(task.splits)):
        path = folder / layout.file(fold)
        partial = path.with_name(f"{path.name}.partial")
        with tarfile.open(partial, "w") as tar:
            for filename, (label,) in sorted(task.items(split).items()):
                key = Path(filename).stem.replace(".", "_")
                audio = task.audio_path(split, filename, rate).read_bytes()
                content = json.dumps(layout.label(str(label), places[str(label)]))
                _add(tar, f"{key}.wav", audio)
                _add(tar, f"{key}.json", content.encode())
        os.replace(partial, path)
    (folder / READY).touch()
    return folder


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))
