"""Published scores (`published/`, read by `benchmark.published`) and measured ones (`measured/`)."""
