"""What a plugin's `load_model` uses of this package, in one import."""

from .cache import CACHE_VARIABLE, cache_dir, existing, here, resolve
from .checkpoint_file import load_configured, load_content, load_tensors
from .errors import WeightsError
from .fixed_tables import check_tables, dft_tables, torchlibrosa_tables
from .messages import quoted, shown
from .network import Network, load_network
from .provenance import file_provenance
from .random_weights import RANDOM_VARIABLE, fill_random, random_seed
from .strict import axis_size, check_fit, load_strict, wrong_model

__all__ = [
    "CACHE_VARIABLE",
    "RANDOM_VARIABLE",
    "Network",
    "WeightsError",
    "axis_size",
    "cache_dir",
    "check_fit",
    "check_tables",
    "dft_tables",
    "existing",
    "file_provenance",
    "fill_random",
    "here",
    "load_configured",
    "load_content",
    "load_network",
    "load_strict",
    "load_tensors",
    "quoted",
    "shown",
    "random_seed",
    "resolve",
    "torchlibrosa_tables",
    "wrong_model",
]
