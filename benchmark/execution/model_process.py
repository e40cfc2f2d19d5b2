"""One model in a process of its own: loaded, checked, and led through tasks.

What is sent back is plain: lines, numbers, paths.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.errors import UserError
from benchmark.execution.isolation import Remark, Report
from benchmark.models.hear_module import LoadedModel, ModelSpec
from tasks.folder import TaskError, TaskFolder


@dataclass(frozen=True)
class Load:
    """Load the model; answered by None. It comes before any `Embed`.

    `representation` is what it will embed clips as: a model without layers fails at once.
    """

    spec: ModelSpec
    device: str
    representation: str


@dataclass(frozen=True)
class Embed:
    """Embed a task; answered by the folder of complete embeddings and its ``embedding.json``.

    `wait` is for another process that is making the same, which is an error otherwise.
    """

    task: TaskFolder
    out: Path
    resampler: str
    representation: str
    limit: int | None
    wait: bool


@dataclass(frozen=True)
class Validate:
    """Check a module; reports a `Check` for every rule, answered by None."""

    module: str
    weights: str
    device: str | None
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Progress:
    """Clips that are embedded, of how many, and seconds of audio since the last report."""

    done: int
    total: int
    audio_seconds: float


@dataclass(frozen=True)
class Alive:
    """A step begins that may take a while."""


def serve_model(report: Report) -> Callable[[Any], Any]:
    """See `benchmark.execution.isolation.Worker`; requests are `Load`, `Embed` and `Validate`."""
    return _Server(report).handle


class _Server:
    def __init__(self, report: Report) -> None:
        self._report = report
        self._model: LoadedModel | None = None
        self._checked: set[str] = set()

    def handle(self, request: Load | Embed | Validate) -> Any:
        try:
            if isinstance(request, Validate):
                return self._validate(request)
            if isinstance(request, Load):
                return self._load(request)
            return self._embed(request)
        except TaskError as error:
            raise UserError(str(error)) from error

    def _load(self, request: Load) -> None:
        from benchmark.embeddings.representation import LAYERS
        from benchmark.models.calling import find_layers
        from benchmark.models.hear_module import load_model

        self._model = load_model(request.spec, request.device, self._remark)
        if request.representation == LAYERS:
            find_layers(self._model)

    def _embed(self, request: Embed) -> tuple[Path, dict[str, Any]]:
        from benchmark.embeddings.extract import embed
        from benchmark.embeddings.representation import called_for, representation_for

        made = representation_for(request.task, request.representation)
        assert self._model is not None
        embedded = embed(
            self._model,
            request.task,
            request.out,
            resampler=request.resampler,
            representation=request.representation,
            limit=request.limit,
            wait=request.wait,
            on_start=lambda: self._check(called_for(made)),
            on_call=lambda: self._report(Alive()),
            on_progress=lambda *numbers: self._report(Progress(*numbers)),
        )
        return embedded.path, dict(embedded.info)

    def _validate(self, request: Validate) -> None:
        from benchmark.models.conformance import validate

        checks = validate(request.module, request.weights, request.device, request.options)
        for check in checks:
            self._report(check)

    def _check(self, embedding_type: str) -> None:
        """See that the model is sound, once for each kind of embedding."""
        from benchmark.models.conformance import check_before_run

        assert self._model is not None
        if embedding_type not in self._checked:
            for advice in check_before_run(self._model, embedding_type):
                self._remark(advice)
            self._checked.add(embedding_type)

    def _remark(self, text: str) -> None:
        self._report(Remark(text))
