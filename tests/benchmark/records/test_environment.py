"""What is measured of the machine is of this process alone."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from benchmark.records.environment import peak_memory

HELD = 600 << 20


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="getrusage is asked elsewhere")
def test_the_peak_is_not_that_of_the_parent() -> None:
    before = peak_memory()
    held = np.ones(HELD, np.uint8)
    assert peak_memory() >= max(before, held.nbytes)
    code = "from benchmark.records.environment import peak_memory; print(peak_memory())"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 1 << 20 < int(ended.stdout) < HELD
