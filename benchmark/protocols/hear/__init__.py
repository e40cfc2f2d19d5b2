"""The HEAR protocol: its options and grid, our engine and hear-eval-kit itself."""
