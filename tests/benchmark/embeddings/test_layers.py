"""Layers from one pass side by side, and folders of some of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import layered_hear
import numpy as np
import pytest
import torch
from tiny_task import FOLDS, make_task

from benchmark.embeddings.dataset import read_embedded_task
from benchmark.embeddings.extract import Embeddings, embed
from benchmark.embeddings.layers import parse_layers, selections_of
from benchmark.embeddings.selected_layers import selected_layers
from benchmark.errors import UserError
from benchmark.models.calling import call, find_layers
from benchmark.models.hear_module import LoadedModel, ModelSpec, load_model
from tasks.folder import TaskFolder

pytestmark = pytest.mark.filterwarnings("ignore:nothing the user can act on")

UNEVEN = (4, 6, 2)


def layered(module: str = "layered_hear", **options: Any) -> LoadedModel:
    return load_model(ModelSpec(module, options=options))


@pytest.fixture
def task(tmp_path: Path) -> TaskFolder:
    return make_task(tmp_path, seconds=(0.5, 0.5, 0.3))


def by_layers(model: LoadedModel, task: TaskFolder, out: Path, **options: Any) -> Embeddings:
    return embed(model, task, out, representation="layers", **options)


def data(folder: Path) -> dict[str, bytes]:
    """All files but the one with dates and seconds."""
    files = sorted(folder.iterdir())
    return {path.name: path.read_bytes() for path in files if path.name != "embedding.json"}


def rows_of(path: Path, split: str) -> np.ndarray:
    task = read_embedded_task(path)
    return np.fromfile(path / f"{split}.embeddings.npy", np.float32).reshape(-1, task.size)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("5", ("5",)),
        ("3,5+12,all", ("3", "5+12", "all")),
        ("12+5, 5+12,weighted", ("5+12", "weighted")),
    ],
)
def test_selections_are_read(text: str, found: tuple[str, ...]) -> None:
    assert parse_layers(text) == found


@pytest.mark.parametrize("text", ["", "0", "05", "-1", "5+", "+5", "last", "5+all", "1-12", "5+5"])
def test_what_is_no_selection(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected layers such as 5, 5\+12, all or weighted"):
        parse_layers(text)


def test_selections_of_a_model() -> None:
    for wanted, found in (("2", ["2"]), ("all", ["1", "2", "3"]), ("weighted", ["weighted"])):
        assert selections_of(wanted, (4, 4, 4)) == found
    with pytest.raises(UserError, match="there is no layer 4, only 1 to 3"):
        selections_of("2+4", (4, 4, 4))
    with pytest.raises(UserError, match="layers of sizes 4, 6, 2 cannot be weighed"):
        selections_of("weighted", UNEVEN)


def test_one_pass_a_clip_gives_all_layers(tmp_path: Path, task: TaskFolder) -> None:
    model = layered(sizes=UNEVEN)
    passes = model.model.passes
    made = by_layers(model, task, tmp_path / "out")
    assert sum(passes) == 3 * 7 + 1, "every clip once, and the noise that tells the sizes"
    assert made.info["layer_sizes"] == list(UNEVEN) and made.info["embedding_size"] == 12
    assert made.info["hop_ms"] is None
    scenes = embed(model, task, tmp_path / "out")
    assert scenes.path != made.path
    passes.clear()
    by_layers(model, task, tmp_path / "out")
    assert not passes, "what is there is not made again"


@pytest.mark.parametrize(("selection", "scene"), [("1", (1,)), ("2", (2,)), ("1+3", (1, 3))])
def test_selected_layers_are_the_rows_of_a_model_that_gives_them(
    tmp_path: Path, task: TaskFolder, selection: str, scene: tuple[int, ...]
) -> None:
    made = by_layers(layered(sizes=UNEVEN), task, tmp_path / "out")
    other = embed(layered(sizes=UNEVEN, scene=scene), task, tmp_path / "other")
    before = data(made.path)
    stale = tmp_path / "work" / "layers"
    stale.mkdir(parents=True)
    (stale / "train.embeddings.npy").write_bytes(b"left by a process that was killed")
    with selected_layers(made.path, selection, UNEVEN, tmp_path / "work") as folder:
        assert data(folder) == data(other.path)
        assert (
            read_embedded_task(folder).fingerprint() == read_embedded_task(other.path).fingerprint()
        )
        assert read_embedded_task(folder).weighed_layers == 1
    assert data(made.path) == before and not folder.exists()


def test_fused_layers_are_the_single_ones_side_by_side(tmp_path: Path, task: TaskFolder) -> None:
    made = by_layers(layered(sizes=UNEVEN), task, tmp_path / "out")
    found = {}
    for selection in ("1", "2", "3", "2+3", "weighted"):
        with selected_layers(made.path, selection, UNEVEN, tmp_path / "work") as folder:
            found[selection] = {split: rows_of(folder, split) for split in FOLDS}
            weighed = read_embedded_task(folder).weighed_layers
            assert weighed == (3 if selection == "weighted" else 1)
    for split in FOLDS:
        one, two, three = (found[str(number)][split] for number in (1, 2, 3))
        np.testing.assert_array_equal(found["2+3"][split], np.concatenate([two, three], axis=1))
        np.testing.assert_array_equal(found["weighted"][split], np.hstack([one, two, three]))
        np.testing.assert_array_equal(rows_of(made.path, split), found["weighted"][split])


def test_interrupted_at_any_batch_it_ends_with_the_same_bits(
    tmp_path: Path, task: TaskFolder
) -> None:
    model = layered()
    whole = by_layers(model, task, tmp_path / "whole", batch_clips=3)
    passes = len(model.model.passes)
    for after in range(1, passes):
        model = layered()
        model.model.calls_before_fault = after
        with pytest.raises(KeyboardInterrupt):
            by_layers(model, task, tmp_path / str(after), batch_clips=3)
        model.model.calls_before_fault = 10**9
        made = by_layers(model, task, tmp_path / str(after), batch_clips=3)
        assert data(made.path) == data(whole.path)
        assert len(model.model.passes) == passes + 1, "but for the one that was interrupted"


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (("tiny_hear", {}), r"no layers to evaluate: it has no function get_layer_embeddings"),
        (("layered_hear", {"fault": "none"}), "no layers to evaluate: Layered is no network"),
        (("layered_hear", {"fault": "tensor"}), "gives Tensor, expected a list"),
        (("layered_hear", {"fault": "empty"}), r"gives layers \[\], expected \(1, size\) each"),
        (("layered_hear", {"fault": "over time"}), r"gives layers \[\(1, 1, 4\)"),
        (("layered_hear", {"fault": "dtype"}), "gives float64 embeddings, expected float32"),
        (("layered_hear", {"fault": "nan"}), "gives NaN or infinite embeddings"),
    ],
)
def test_models_without_sound_layers_are_told_at_once(
    model: tuple[str, dict[str, Any]], message: str
) -> None:
    module, options = model
    with pytest.raises(UserError, match=message) as caught:
        find_layers(layered(module, **options))
    assert str(caught.value).startswith(module) and "\n" not in str(caught.value)


def test_layers_that_change_are_told(tmp_path: Path, task: TaskFolder) -> None:
    with pytest.raises(UserError, match=r"gives layers of \[4, 4, 4\], expected \[4\] as before"):
        by_layers(layered(fault="sizes"), task, tmp_path / "out")


def test_event_tasks_have_no_layers(tmp_path: Path) -> None:
    task = make_task(tmp_path, "event")
    with pytest.raises(UserError, match="event tasks are embedded as timestamps only"):
        embed(layered(), task, tmp_path / "out", representation="layers")


def test_layers_are_those_that_the_module_gives() -> None:
    model = layered()
    audio = np.random.default_rng(0).random((3, 8000), np.float32)
    layers, times = call(model, "layers", audio.copy())
    assert times is None
    expected = layered_hear.get_layer_embeddings(torch.from_numpy(audio), model.model)
    for found, wanted in zip(layers, expected, strict=True):
        np.testing.assert_array_equal(found, wanted.detach().numpy())
