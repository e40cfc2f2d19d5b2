"""Models behind the HEAR API for other benchmarks: one adapter object, one file an ecosystem."""
