"""Published scores (`published/`, read by `benchmark.published`) and the measured ones."""
