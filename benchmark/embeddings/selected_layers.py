"""Some of the layers that were embedded side by side, as embeddings of their own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmark.embeddings.layers import WEIGHTED, numbers_of
from benchmark.embeddings.store import INFO_FILE, read_info, read_json, write_info

WEIGHTING_FILE = "layer-weighting.json"  # how many layers of one size a row holds, to be weighed
_ROWS = 4096  # copied at a time


@contextmanager
def selected_layers(
    embeddings: Path, selection: str, sizes: Sequence[int], work: Path
) -> Iterator[Path]:
    """A folder like `embeddings` with the selected layers alone, inside `work`; gone afterwards.

    Its rows are those of a model whose scene embedding is these layers, bit for bit.

    Parameters
    ----------
    embeddings
        Folder of complete embeddings by layers; nothing is written there.
    selection
        Its ``embedding.json`` has it as "layers"; for ``weighted``, `WEIGHTING_FILE` says how many
        layers a row has.
    sizes
        Of all layers, as its ``embedding.json`` has them.
    """
    chosen = numbers_of(selection, len(sizes))
    bounds = np.cumsum([0, *sizes])
    columns = np.concatenate([np.arange(bounds[n - 1], bounds[n]) for n in chosen])
    folder = work / "layers"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        for file in embeddings.iterdir():
            split = file.name.removesuffix(".embeddings.npy")
            if split != file.name:
                dimensions = f"{split}.embedding-dimensions.json"
                rows, _ = read_json(embeddings / dimensions)
                (folder / dimensions).write_text(f"[{rows},{len(columns)}]")
                _copy_columns(file, folder / file.name, (rows, int(bounds[-1])), columns)
            elif not file.name.endswith(".embedding-dimensions.json") and file.name != INFO_FILE:
                (folder / file.name).symlink_to(file.resolve())
        write_info(folder, {**(read_info(embeddings) or {}), "layers": selection})
        if selection == WEIGHTED:
            (folder / WEIGHTING_FILE).write_text(json.dumps(len(sizes)))
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _copy_columns(
    source: Path, target: Path, shape: tuple[int, int], columns: npt.NDArray[np.intp]
) -> None:
    rows = np.memmap(source, np.float32, "r", shape=shape)
    with target.open("wb") as file:
        for start in range(0, shape[0], _ROWS):
            np.ascontiguousarray(rows[start : start + _ROWS, columns]).tofile(file)
