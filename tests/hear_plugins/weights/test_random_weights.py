"""Random weights: where the seed comes from, and what it decides."""

from __future__ import annotations

import pytest
import torch

from hear_plugins.weights.random_weights import RANDOM_VARIABLE, fill_random, random_seed


def test_random_weights_depend_on_the_seed_alone(capfd: pytest.CaptureFixture[str]) -> None:
    def drawn(seed: int) -> torch.Tensor:
        network = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8)).eval()
        facts = fill_random(network, seed, "some_model")
        assert facts == {"weights": "random", "random_weights": seed}
        return network(torch.ones(1, 3, 9, 9))

    assert torch.equal(drawn(1), drawn(1))
    assert not torch.allclose(drawn(1), drawn(2))
    assert torch.isfinite(drawn(3)).all()
    out, err = capfd.readouterr()
    assert out == "" and "some_model has random weights (seed 1)" in err.splitlines()[0]


def test_where_the_seed_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    assert random_seed(None) is None
    assert random_seed(0) == 0
    monkeypatch.setenv(RANDOM_VARIABLE, "7")
    assert random_seed(None) == 7
    assert random_seed(3) == 3
    assert random_seed(None, "file.pth") is None
    with pytest.raises(ValueError, match="both given"):
        random_seed(3, "file.pth")
    for bad in ("x", "-1", "1.5"):
        monkeypatch.setenv(RANDOM_VARIABLE, bad)
        with pytest.raises(ValueError, match="whole number"):
            random_seed(None)
    for wrong in (True, 1.5, -1, 2**63):
        with pytest.raises(ValueError, match="whole number"):
            random_seed(wrong)  # type: ignore[arg-type]
