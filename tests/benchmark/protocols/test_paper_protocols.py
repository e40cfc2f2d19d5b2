"""What the record of an evaluation needs of every protocol of the papers."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from embedded_sequences import make_sequences
from embedded_tasks import make_kfold

from benchmark.protocols.options import declared_options
from benchmark.protocols.registry import protocol

FAST: dict[str, Any] = {"max_epochs": 2, "clips_per_label": 3, "learning_rates": (1e-2,)}


@pytest.mark.parametrize(
    "name",
    ["linear", "linear-fusion", "xares", "xares-fixed", "mteb-fewshot", "attentive", "support"],
)
def test_results_are_of_the_seeds_and_settings_that_are_recorded(tmp_path: Path, name: str) -> None:
    chosen = protocol(name)
    fields = declared_options(chosen.options)
    options = chosen.options(**{key: value for key, value in FAST.items() if key in fields})
    rows_of_time = chosen.representation in ("timestamps", "windows")
    make = make_sequences if rows_of_time else make_kfold
    results = chosen.evaluate(
        make(tmp_path / "e"), tmp_path / "w", options, lambda part, what: None
    )
    assert {one.seed for one in results} == set(chosen.seeds(options))
    recorded = json.loads(json.dumps(options.that_change_scores()))
    # The length of windows is recorded with the embeddings.
    assert {*recorded, "window_seconds"} >= {field.name for field in dataclasses.fields(options)}
