"""The runner: embeds tasks with any HEAR module, evaluates the embeddings, makes tables.

``import benchmark as hb`` gives the functions of `benchmark.api` (``docs/python.md``); each is
imported when it is first used, so that the import alone takes no time.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from benchmark.import_path import check_packages

if TYPE_CHECKING:
    from benchmark.api.compare import compare as compare
    from benchmark.api.embed_files import embed_files as embed_files
    from benchmark.api.evaluate import evaluate as evaluate
    from benchmark.api.load_embeddings import load_embeddings as load_embeddings
    from benchmark.api.results import results as results
    from benchmark.api.run import run as run
    from benchmark.errors import UserError as UserError
    from benchmark.models.hear_module import ModelSpec as ModelSpec

_MODULES = {
    "ModelSpec": "benchmark.models.hear_module",
    "UserError": "benchmark.errors",
    "compare": "benchmark.api.compare",
    "embed_files": "benchmark.api.embed_files",
    "evaluate": "benchmark.api.evaluate",
    "load_embeddings": "benchmark.api.load_embeddings",
    "results": "benchmark.api.results",
    "run": "benchmark.api.run",
}

check_packages()  # before anything imports what a user's file of the same name would hide


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULES])
