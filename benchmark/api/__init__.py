"""The functions of ``import benchmark as hb``, for notebooks and scripts."""
