"""Evaluation by hear-eval-kit 2021.1.3 itself, in a process of its own.

The kit writes beside the embeddings and into its current folder, so it gets a folder of links to
the embeddings inside the folder of the evaluation. What it prints goes to ``kit.log`` there.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmark.embeddings.store import disk_errors, read_json
from benchmark.errors import UserError
from benchmark.protocols.hear.folds import folds
from benchmark.protocols.hear.options import SCORES_FILE, HearOptions
from tasks.folder import METADATA_FILE, VOCABULARY_FILE, known_labels_file

LOG_FILE = "kit.log"
NEEDED = ("heareval", "pytorch_lightning", "torchinfo", "sed_eval", "pkg_resources")
INSTALL = (
    "pip install -c constraints.txt '.[kit]' && "
    "pip install --no-deps --ignore-requires-python heareval==2021.1.3"
)

OnProgress = Callable[[float, str], None]


def evaluate_with_kit(
    embeddings: Path, work: Path, options: HearOptions, on_progress: OnProgress
) -> dict[str, Any]:
    """Scores of one folder of embeddings, by hear-eval-kit on the CPU.

    Parameters
    ----------
    embeddings
        Folder of complete embeddings (`benchmark.embeddings.store`); nothing is written there.
    work
        Folder of this evaluation. Afterwards it holds the kit's ``test.predicted-scores.json``,
        its ``<split>.predictions.pkl`` and ``kit.log``; after a failure ``kit.log`` alone.
    on_progress
        Called with the part of the work that is done, 0 to 1 and never less than before, and with
        what is being done. Training may stop early, so the part may jump.

    Returns
    -------
    dict
        Content of ``test.predicted-scores.json``; scores may be NaN, as the kit's are.

    Raises
    ------
    UserError
        The embeddings are not complete, or the kit failed.
    """
    metadata = read_json(embeddings / METADATA_FILE)
    if any((embeddings / known_labels_file(split)).exists() for split in metadata["splits"]):
        raise UserError(
            f"{embeddings}: its labels are known in part, and hear-eval-kit would take those that"
            " are not known for absent; choose --engine native"
        )
    work.mkdir(parents=True, exist_ok=True)
    kit, links = work / "kit", work / "kit" / "embeddings"
    shutil.rmtree(kit, ignore_errors=True)
    try:
        link_embeddings(embeddings, links)
        with disk_errors(work):
            _run(kit, work / LOG_FILE, options, len(folds(metadata)), on_progress)
            for predictions in links.glob("*.predictions.pkl"):
                predictions.replace(work / predictions.name)
            (links / SCORES_FILE).replace(work / SCORES_FILE)
    finally:
        shutil.rmtree(kit, ignore_errors=True)
    return read_json(work / SCORES_FILE)


def link_embeddings(embeddings: Path, folder: Path) -> None:
    """Make `folder`, with links to all the files of embeddings that the kit reads.

    Raises
    ------
    UserError
        The embeddings are not complete.
    """
    files = list(_files(embeddings, read_json(embeddings / METADATA_FILE)))
    folder.mkdir(parents=True)
    for file in files:
        (folder / file.name).symlink_to(file.resolve())


def require_kit() -> None:
    """Raise a `UserError` that says what to type if hear-eval-kit is not installed."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise UserError(
            f"--engine kit needs hear-eval-kit, and {missing[0]} is not installed; in the folder of"
            f" setup.py type: {INSTALL}"
        )


def _files(embeddings: Path, metadata: Mapping[str, Any]) -> Iterator[Path]:
    """The files that the kit reads, each checked to be there, and the embeddings to be whole."""
    kinds = ["embeddings.npy", "embedding-dimensions.json", "target-labels.pkl"]
    if metadata["embedding_type"] == "event":
        kinds += ["filename-timestamps.json", "json"]
    splits = metadata["splits"]
    for name in (
        METADATA_FILE,
        VOCABULARY_FILE,
        *(f"{split}.{kind}" for split in splits for kind in kinds),
    ):
        if not (embeddings / name).is_file():
            raise UserError(f"{embeddings}: {name} is missing; delete the folder and embed again")
        yield embeddings / name
    for split in splits:
        shape = read_json(embeddings / f"{split}.embedding-dimensions.json")
        size = (embeddings / f"{split}.embeddings.npy").stat().st_size
        if size != math.prod(shape) * 4:
            raise UserError(
                f"{embeddings}: {split}.embeddings.npy has {size} bytes, but float32 {shape} takes"
                f" {math.prod(shape) * 4}; delete the folder and embed again"
            )


def _run(
    folder: Path, log: Path, options: HearOptions, n_folds: int, on_progress: OnProgress
) -> None:
    """Run the kit in `folder` on the links in it."""
    command = [
        sys.executable,
        "-m",
        "benchmark.protocols.hear.kit_process",
        "--report",
        "embeddings",
    ]
    command += ["--grid", options.grid, "--grid-points", str(options.grid_points)]
    command += ["--in-memory", str(options.in_memory)]
    on_progress(0.0, "starting hear-eval-kit")
    error = ""
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command,
            cwd=folder,
            env=_environment(folder, options.threads),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        try:
            runs = options.grid_points + n_folds - 1
            done, what = 0.0, ""
            for report in map(json.loads, process.stdout):
                error = report.get("error", "")
                if "step" in report:
                    is_fold = report["step"] == "Training split"
                    what = f"{'fold' if is_fold else 'grid point'} {report['number']}"
                    what += f" of {report['of']}"
                    done = report["number"] - 1 + (options.grid_points - 1 if is_fold else 0)
                    on_progress(min(done / runs, 1.0), what)
                elif "epoch" in report:
                    part = report["epoch"] / report["epochs"]
                    on_progress(min((done + part) / runs, 1.0), f"{what}, epoch {report['epoch']}")
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        if process.returncode < 0:
            error = f"it was killed by signal {-process.returncode} (9: most likely out of memory)"
        raise UserError(f"hear-eval-kit failed: {error or 'see its log'}; its log is {log}")
    on_progress(1.0, "done")


def kit_environment() -> dict[str, str]:
    """The user's environment with this package importable."""
    here = str(Path(__file__).resolve().parents[3])
    path = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": f"{here}{os.pathsep}{path}" if path else here}


def _environment(folder: Path, threads: int) -> dict[str, str]:
    """As `kit_environment`; no GPU, no bars, no files elsewhere."""
    return {
        **kit_environment(),
        "CUDA_VISIBLE_DEVICES": "",
        "MPLCONFIGDIR": str(folder),
        "TQDM_DISABLE": "1",
        **dict.fromkeys(
            ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads)
        ),
    }
