"""``python -m benchmark``: the same command as ``hear-benchmark``."""

from benchmark.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
