"""Published checkpoints: catalogue, download, verification and safe loading.

What is named here needs no torch; `loading` has what a plugin's `load_model` uses.
"""

from .cache import CACHE_VARIABLE, cache_dir
from .catalogue import CHECKPOINTS, Checkpoint
from .errors import WeightsError

__all__ = ["CACHE_VARIABLE", "CHECKPOINTS", "Checkpoint", "WeightsError", "cache_dir"]
