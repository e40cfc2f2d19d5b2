"""Audio-embedding models behind the HEAR API, one module a model; each module is its own card."""
