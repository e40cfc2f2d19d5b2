"""The table of speeds: what it counts, what it compares with, and modules that fail."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from benchmark.models.discovery import our_modules
from benchmark.models.hear_module import ModelSpec, load_model
from benchmark.studies import model_speed as speed
from hear_plugins.networks.linear import linear

LOGMEL = "hear_plugins.logmel"


def run(
    capsys: pytest.CaptureFixture[str], *words: str, device: str = "cpu"
) -> tuple[int, dict[str, Any]]:
    code = speed.main([*words, "--json", "--seconds", "1", "--device", device])
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    return code, report


def test_a_table_and_its_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [LOGMEL, "hear_plugins.nothing", "--runs", "2", "--out", str(tmp_path / "speed")]
    code, report = run(capsys, *words)
    measured, failed = report["rows"]
    assert code == 1 and "no module" in failed["error"]
    for kind in ("scene", "timestamps"):
        found = measured[kind]
        (times,) = found["runs"]
        assert times["batch"] == 1 and times["cpu_s_per_s"] > 0 and times["times_real_time"] > 0
        assert 0 < found["share"] < 2
        # 100 frames a second, and one: 513 lines of the spectrum times 64 mels, or 128.
        assert 0.003 < found["gmacs_per_s"] < 0.01
        assert "difference" not in found
    assert measured["weights"]["weights"] == "none"
    assert 0.1 < measured["peak_memory_gb"] < 4
    assert json.loads((tmp_path / "speed.json").read_text()) == report
    table = (tmp_path / "speed.md").read_text()
    assert table == speed.markdown(report)
    columns = {line.count("|") for line in table.splitlines() if line.startswith("|")}
    assert len(columns) == 1 and f"random (seed {speed.SEED})" in table


def test_what_an_option_changes_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    code, report = run(capsys, LOGMEL, "--dtype", "bfloat16", "--kind", "scene", "--runs", "1")
    (row,) = report["rows"]
    # Spectrograms stay in float32, and there is nothing else.
    assert code == 0 and row["scene"]["difference"] == 0 and "timestamps" not in row
    assert "changed by" in speed.markdown(report)


def test_minutes_are_for_the_peak_of_memory(capsys: pytest.CaptureFixture[str]) -> None:
    code = speed.main([LOGMEL, "--minutes", "1", "--json"])
    report = json.loads(capsys.readouterr().out)
    assert code == 0 and report["measured"]["seconds"] == 60 and report["measured"]["runs"] == 1
    assert "gmacs_per_s" not in report["rows"][0]["scene"]
    assert "GMAC" not in speed.markdown(report)


def test_multiply_adds_of_every_operator_that_networks_use() -> None:
    x, weight, bias = torch.randn(2, 7, 5), torch.randn(3, 5), torch.randn(3)
    q = torch.randn(2, 4, 7, 8)
    spectrum = torch.randn(3, 2, 4, dtype=torch.complex64)
    with torch.no_grad():
        expected = {
            2 * 7 * 5 * 3: lambda: linear(x, weight, bias),
            2 * 7 * 5 * 4: lambda: x @ torch.randn(5, 4),
            2 * 4 * 7 * 7 * 8 * 2: lambda: F.scaled_dot_product_attention(q, q, q),
            4 * 3 * 2 * 4 * 2: lambda: spectrum @ spectrum.mT,
            2 * 6 * 4 * 9 * 5 * 7: lambda: F.conv2d(
                torch.randn(2, 4, 5, 7), torch.randn(6, 4, 3, 3), padding=1
            ),
        }
        for count, function in expected.items():
            counter = FlopCounterMode(display=False, custom_mapping=speed._formulas())
            with counter:
                function()
            assert counter.get_total_flops() == 2 * count


def test_a_calls_multiply_adds_are_counted() -> None:
    model = load_model(ModelSpec(LOGMEL))
    clip = speed._noise(model, 1, 1.0)
    count, embeddings = speed.multiply_adds(model, "scene", clip)
    assert count > 0 and embeddings.shape == (1, model.embedding_size("scene"))


def test_originals_are_of_modules_that_there_are() -> None:
    assert {f"hear_plugins.{name}" for name in speed.ORIGINALS} <= set(our_modules())


@pytest.mark.parametrize("words", [["--batch", "0"], ["--runs", "-1"], ["--dtype", "int8"]])
def test_wrong_words_are_refused(words: list[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        speed.main([LOGMEL, *words])
    assert raised.value.code == 2


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        speed.main([LOGMEL, "--device", "cuda"])
    assert "--device cuda: not available here" in capsys.readouterr().err


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu(capsys: pytest.CaptureFixture[str]) -> None:
    code, report = run(capsys, LOGMEL, "--batch", "4", device="cuda")
    (row,) = report["rows"]
    assert code == 0 and [run["batch"] for run in row["scene"]["runs"]] == [1, 4]
    assert "cpu_s_per_s" not in row["scene"]["runs"][0] and "share" not in row["scene"]
