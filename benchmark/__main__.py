"""``python -m benchmark``: the same command as ``hear-benchmark``."""

from benchmark.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
