"""HEAR modules: loaded, identified and checked."""
