"""ESC-10: ``<number> - <Class name>/<fold>-<clip id>-<take>.ogg``, folds 1 to 5 by its author."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..corpus import Clip
from ..folder import TaskError


def read(source: Path, config: Mapping[str, Any], mode: str) -> tuple[Clip, ...]:
    """Clips of the corpus in `source`; ``001 - Dog bark`` has the label ``dog_bark``."""
    paths = sorted(source.glob("[0-9]* - */*.ogg"))
    if not paths:
        raise TaskError(f"{source}: no '<number> - <class>/*.ogg'; expected the clips of ESC-10")
    clips = []
    for path in paths:
        fold = path.name.split("-")[0]
        if not fold.isdecimal() or int(fold) not in range(1, config["nfolds"] + 1):
            raise TaskError(f"{path}: expected <fold>-<clip id>-<take>.ogg with folds 1 to 5")
        label = path.parent.name.split(" - ")[1].lower().replace(" ", "_")
        recording = path.name.split("-")[1]
        split = f"fold{int(fold) - 1:02d}"
        clips.append(Clip(path, path.stem, (label,), split, origin=recording))
    return tuple(clips)
