"""Published scores (`published/`, read by `benchmark.records.published`) and the measured ones."""
