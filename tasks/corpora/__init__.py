"""One module per raw corpus: ``read(source, config, mode, **options)`` gives its clips."""
