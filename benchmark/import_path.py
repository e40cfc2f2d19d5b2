"""Where modules are looked for: what belongs to this program first, the user's own folder last."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path

OUR_PACKAGES = ("tasks", "hear_plugins", "results")
_ROOT = Path(__file__).resolve().parents[1]


def user_folder_last(path: Sequence[str], folder: str) -> list[str]:
    """A `sys.path` on which a folder, and the empty entry that stands for it, come last.

    So a user's `tasks.py` or `random.py` does not take the place of ours or of Python's.
    """
    if Path(folder).resolve() == _ROOT:
        return [*path, *([] if folder in path or "" in path else [folder])]
    own = {"", folder}
    return [*(entry for entry in path if entry not in own), folder]


def check_packages() -> None:
    """See that our packages are found, not a user's modules of the same name.

    Raises
    ------
    ImportError
        Naming the file that stands in the way.
    """
    for name in OUR_PACKAGES:
        try:
            spec = importlib.util.find_spec(name)
        except ValueError:  # a module without a spec, made by hand
            spec = None
        if spec is None:
            continue
        folders = [Path(each).resolve() for each in spec.submodule_search_locations or ()]
        if _ROOT / name not in folders:
            found = spec.origin or ", ".join(map(str, folders))
            raise ImportError(
                f"{found} hides the package {name} of hear-plugins, which is {_ROOT / name}:"
                f" rename it, or work in another folder than {os.path.dirname(found)}"
            )


def put_user_folder_last() -> None:
    """Let modules of the current folder be found, after everything else."""
    sys.path[:] = user_folder_last(sys.path, os.getcwd())
