"""What a plugin's `load_model` uses of this package, in one import."""

from .cache import CACHE_VARIABLE, cache_dir, existing, resolve
from .checkpoint_file import load_configured, load_content, load_tensors
from .errors import WeightsError
from .network import Network, load_network
from .provenance import file_provenance
from .random_weights import RANDOM_VARIABLE, fill_random, random_seed
from .strict import load_strict, wrong_model

__all__ = [
    "CACHE_VARIABLE",
    "RANDOM_VARIABLE",
    "Network",
    "WeightsError",
    "cache_dir",
    "existing",
    "file_provenance",
    "fill_random",
    "load_configured",
    "load_content",
    "load_network",
    "load_strict",
    "load_tensors",
    "random_seed",
    "resolve",
    "wrong_model",
]
