"""What a clip is embedded as: the representations that `EmbeddingUnit.representation` names.

- ``scene``: one embedding of the whole clip;
- ``timestamps``: one at each of the model's timestamps;
- ``layers``: every layer of the model's, pooled over the clip, one after the other in one row: what
  its module's `get_layer_embeddings` gives, from one pass (`benchmark.embeddings.layers`);
- ``windows:3``: the scene embedding of each 3 seconds of the clip, one window after the other
  without overlap; what is left at the end is dropped, so that all windows are equally long and none
  has silence that is not in the recording.

``task`` is asked for where the kind of task decides: ``scene`` for scene tasks, ``timestamps`` for
event tasks, as HEAR has it. Event tasks have no other representation.
"""

from __future__ import annotations

import re

from benchmark.errors import UserError
from tasks.folder import TaskFolder

TASK, SCENE, TIMESTAMPS, LAYERS = "task", "scene", "timestamps", "layers"


def windows(seconds: int) -> str:
    """The representation by windows of that length."""
    return f"windows:{seconds}"


def window_seconds(representation: str) -> int | None:
    """Length of the windows; None for the other representations."""
    match = re.fullmatch(r"windows:([1-9][0-9]*)", representation)
    return int(match[1]) if match else None


def parse_representation(text: str) -> str:
    """A representation that can be asked for; ValueError with what was expected if it is none."""
    if text not in (TASK, SCENE, TIMESTAMPS, LAYERS) and window_seconds(text) is None:
        raise ValueError(
            "expected task, scene, timestamps, layers or windows:SECONDS such as windows:3"
        )
    return text


def representation_of(embedding_type: str, wanted: str) -> str:
    """The representation that `wanted` means for a ``scene`` or ``event`` task.

    Raises
    ------
    UserError
        Tasks of that kind are not embedded so.
    """
    try:
        parse_representation(wanted)
    except ValueError as error:
        raise UserError(f"representation {wanted!r} cannot be made: {error}") from None
    if wanted == TASK:
        return SCENE if embedding_type == "scene" else TIMESTAMPS
    if embedding_type != "scene" and wanted != TIMESTAMPS:
        raise UserError(
            f"{embedding_type} tasks are embedded as timestamps only, not as {wanted}; choose"
            " another representation or scene tasks"
        )
    return wanted


def representation_for(task: TaskFolder, wanted: str) -> str:
    """As `representation_of`, for a task whose clips, where of one length, must fill a window.

    Raises
    ------
    UserError
        The task is not embedded so, or its clips are shorter than a window.
    """
    try:
        found = representation_of(task.embedding_type, wanted)
    except UserError as error:
        raise UserError(f"{task.path.name}: {error}") from None
    seconds, clip_seconds = window_seconds(found), task.sample_duration
    if seconds and clip_seconds and clip_seconds < seconds:
        raise too_short(task.path.name, clip_seconds, seconds)
    return found


def too_short(name: object, clip_seconds: float, seconds: int) -> UserError:
    """The error of clips that are shorter than a window."""
    return UserError(
        f"{name}: clips of {clip_seconds:.3g} s are shorter than windows of {seconds} s; choose"
        " shorter windows"
    )


def called_for(representation: str) -> str:
    """Which kind of embedding (`benchmark.models.calling`) a model gives."""
    return {TIMESTAMPS: "event", LAYERS: "layers"}.get(representation, "scene")


def is_sequence(representation: str) -> bool:
    """Whether a clip has several rows, each with its time."""
    return representation not in (SCENE, LAYERS)
