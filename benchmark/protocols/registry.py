"""The protocols there are: what an evaluation of embeddings is.

A protocol is declared as a `Protocol` in the tuple ``PROTOCOLS`` of a file of this package (or of
``protocol.py`` in a folder of it); another package gives one by an entry point of the group
``hear_plugins.protocols``. The files that declare protocols are read for ``--help``: they import
torch only inside `evaluate`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from benchmark.embeddings.layers import WEIGHTED
from benchmark.embeddings.representation import LAYERS, representation_of, windows
from benchmark.errors import UserError
from benchmark.metrics.registry import metrics_named
from benchmark.protocols.options import ProtocolOptions
from benchmark.protocols.result import FoldResult
from benchmark.registry import Registry

Representation = Literal["task", "scene", "timestamps", "windows"]
OnProgress = Callable[[float, str], None]
Evaluate = Callable[[Path, Path, Any, OnProgress], tuple[FoldResult, ...]]


def _nothing_to_check(_of: Any) -> None:
    pass


@dataclass(frozen=True)
class Protocol:
    """One way to evaluate embeddings.

    Attributes
    ----------
    name
        As the command line and records have it.
    version
        Raised only when its numbers change; records of different versions are never compared.
    summary
        One line: what is trained, on what, and what differs from other protocols.
    options
        Frozen dataclass of its options (`benchmark.protocols.options`).
    evaluate
        ``evaluate(embeddings, work, options, on_progress)``: a result for every fold and seed.
        `embeddings` is a folder of complete embeddings, in which nothing is written; `work` is a
        folder of this evaluation, in which finished trainings may be kept; `on_progress` is called
        with the part that is done, 0 to 1, and what is being done. Raises `UserError`.
    representation
        Of a clip, see `benchmark.embeddings.representation`; of "windows" an option of the role
        "windows" has the seconds.
    embedding_types
        Kinds of tasks that it evaluates: "scene", "event".
    seed
        What is trained from where the options have no seeds.
    check
        Raises `UserError` before any work where the options cannot be had on this machine.
    check_task
        Raises `UserError` where a task's `task_metadata.json` asks for what the protocol cannot do.
    recommended_for
        When to choose it, for help and documentation.
    former_names
        Names under which older versions had it; they are still accepted.
    weighs_layers
        Whether its probe learns a weight for each of `EmbeddedTask.weighed_layers`.
    """

    name: str
    version: int
    summary: str
    options: type[ProtocolOptions]
    evaluate: Evaluate
    representation: Representation = "task"
    embedding_types: tuple[str, ...] = ("scene", "event")
    seed: int = 0
    check: Callable[[Any], None] = _nothing_to_check
    check_task: Callable[[Mapping[str, Any]], None] = _nothing_to_check
    recommended_for: str = ""
    former_names: tuple[str, ...] = ()
    weighs_layers: bool = False

    def seeds(self, options: ProtocolOptions) -> tuple[int, ...]:
        """Seeds that are trained from; each gives one `FoldResult` a fold."""
        seeds: tuple[int, ...] = options.value_of("seeds", (self.seed,))
        return seeds

    def wanted_representation(self, options: ProtocolOptions, layers: Sequence[str] = ()) -> str:
        """What clips must be embedded as, see `benchmark.embeddings.representation`.

        Parameters
        ----------
        layers
            Selections of `benchmark.embeddings.layers` to be evaluated, in place of the scene
            embedding; none for that itself.

        Raises
        ------
        UserError
            It takes no layers, or its probe does not weigh them.
        """
        if layers:
            self._require_layers(layers)
            return LAYERS
        if self.representation == "windows":
            return windows(options.value_of("windows"))
        return self.representation

    def representation_of(
        self, embedding_type: str, options: ProtocolOptions, layers: Sequence[str] = ()
    ) -> str:
        """As what it takes tasks of one of its `embedding_types`: what their embeddings' unit says.

        Raises
        ------
        UserError
            Tasks of that kind are not embedded as the protocol asks.
        """
        return representation_of(embedding_type, self.wanted_representation(options, layers))

    def _require_layers(self, layers: Sequence[str]) -> None:
        if self.representation not in ("task", "scene"):
            raise UserError(
                f"protocol {self.name} takes {self.representation}, of which --layers are not made;"
                " leave it out or choose another --protocol"
            )
        if WEIGHTED in layers and not self.weighs_layers:
            able = ", ".join(one.name for one in protocols() if one.weighs_layers)
            raise UserError(
                f"--layers {WEIGHTED}: the probe of protocol {self.name} learns no weights of"
                f" layers; those of {able} do"
            )

    def require_embedding_type(self, embedding_type: str, task: str) -> None:
        """Raise `UserError` if the protocol does not evaluate tasks of that kind."""
        if embedding_type not in self.embedding_types:
            raise UserError(
                f"{task}: protocol {self.name} evaluates {' and '.join(self.embedding_types)}"
                f" tasks, but this is a {embedding_type} task; choose another --protocol or --tasks"
            )

    def require_task(self, metadata: Mapping[str, Any]) -> None:
        """Check, before any work, that the protocol can evaluate a task.

        Parameters
        ----------
        metadata
            The task's `task_metadata.json`, as `tasks.folder.read_task` lets it pass.

        Raises
        ------
        UserError
            The kind of task, a metric or an evaluation parameter is not one that it has.
        """
        kind, name = metadata["embedding_type"], metadata["task_name"]
        self.require_embedding_type(kind, name)
        try:
            metrics_named(metadata["evaluation"], kind)
            self.check_task(metadata)
        except UserError as error:
            raise UserError(f"{name}: {error}") from None


PROTOCOLS_REGISTRY: Registry[Protocol] = Registry(
    "protocol", Protocol, "benchmark.protocols", "PROTOCOLS", "hear_plugins.protocols"
)


def protocol(name: str) -> Protocol:
    """The protocol of that name, or of that former name.

    Raises
    ------
    UserError
        There is none, with near names, or the package that declares it cannot be loaded.
    """
    for one in protocols():
        if name in one.former_names:
            return one
    return PROTOCOLS_REGISTRY.get(name)


def protocols(on_failure: Callable[[str], None] = lambda line: None) -> tuple[Protocol, ...]:
    """All protocols; those of packages that cannot be loaded are told to `on_failure`."""
    return tuple(PROTOCOLS_REGISTRY.all(on_failure))
