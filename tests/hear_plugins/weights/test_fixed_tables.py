"""Files of another sample rate or front end are told by the tables beside their weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import layouts
import numpy as np
import pytest
import torch
from parity_fixtures import save
from torch import Tensor

from hear_plugins import cnn14, hts_at, m2d, mae_ast, openl3
from hear_plugins.networks.mae_ast import positions
from hear_plugins.weights.errors import WeightsError
from hear_plugins.weights.fixed_tables import check_tables, dft_tables

STFT = "spectrogram_extractor.stft.conv_{}.weight"
MEL = "logmel_extractor.melW"


def test_dft_tables_are_a_windowed_transform() -> None:
    real, imaginary = dft_tables(16)
    signal = np.random.default_rng(1).standard_normal(16)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(16) / 16)
    spectrum = (real + 1j * imaginary).numpy() @ signal
    assert np.allclose(spectrum, np.fft.rfft(signal * window))


@pytest.mark.parametrize("pack", ["cnn14", "cnn14_16k", "hts_at"])
def test_tables_are_the_published_ones(pack: str, shared: Path) -> None:
    with np.load(shared / "parity" / pack / "tables.npz") as arrays:
        published = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    shapes = {name: tuple(table.shape) for name, table in published.items()}
    tables = layouts.front_end_tables(shapes)
    assert MEL in {name.removeprefix("sed_model.") for name in tables}
    check_tables(Path("some.pth"), published, tables)


def foreign_mels() -> Tensor:
    """Of 64 filters over 513 bins of 44.1 kHz."""
    return dataclasses.replace(hts_at.FRONTEND, sample_rate=44100, f_max=20000).filters


def hts_at_file(changes: dict[str, Tensor], path: Path) -> str:
    found = layouts.empty(layouts.hts_at()) | {
        "sed_model.head.weight": torch.zeros(35, 35),
        "sed_model.tscam_conv.weight": torch.zeros(35, 768, 2, 3),
        **{f"sed_model.{name}": table for name, table in changes.items()},
    }
    return save({"state_dict": found}, path)


def cnn14_file(changes: dict[str, Tensor], path: Path) -> str:
    return save({"model": layouts.empty(layouts.cnn14(32000)) | changes}, path)


def openl3_file(changes: dict[str, Tensor], path: Path) -> str:
    found = layouts.empty(layouts.openl3())
    found["speclayer.mel_basis"] = torch.zeros(256, 1025)
    return save(found | changes, path)


def mae_ast_file(changes: dict[str, Tensor], path: Path) -> str:
    tensors = layouts.empty(layouts.mae_ast()) | changes
    return save({"cfg": layouts.mae_ast_cfg(16, 16), "model": tensors}, path)


FOREIGN: dict[str, tuple[Any, Callable[[dict[str, Tensor], Path], str], str, Tensor]] = {
    "HTS-AT with mels of another rate": (hts_at, hts_at_file, MEL, foreign_mels()),
    "HTS-AT with another transform": (
        hts_at,
        hts_at_file,
        STFT.format("real"),
        dft_tables(2048)[0].float()[:, None],
    ),
    "CNN14 with mels of another rate": (cnn14, cnn14_file, MEL, foreign_mels()),
    "CNN14 with another window": (
        cnn14,
        cnn14_file,
        STFT.format("imag"),
        dft_tables(1024)[1].sign()[:, None],
    ),
    "CNN14 with a damaged table": (
        cnn14,
        cnn14_file,
        STFT.format("real"),
        torch.full((513, 1, 1024), float("nan")),
    ),
    "OpenL3 with another transform": (
        openl3,
        openl3_file,
        "speclayer.dft_imag_kernels",
        dft_tables(2048)[0].float()[:, None],
    ),
    "MAE-AST with learnt positions": (
        mae_ast,
        mae_ast_file,
        "enc_sine_pos_embed.pe",
        torch.zeros(1, 600, 768),
    ),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_files_of_another_front_end_are_refused(case: str, tmp_path: Path) -> None:
    module, write, name, table = FOREIGN[case]
    path = write({name: table}, tmp_path / "foreign.pth")
    with pytest.raises(WeightsError, match=f"{path}.*{name} (has shape|differs)") as caught:
        module.load_model(path)
    assert "another sample rate or spectrogram" in str(caught.value)


def test_files_with_the_right_tables_load(tmp_path: Path) -> None:
    real, imaginary = (table.float()[:, None] for table in dft_tables(1024))
    tables = {MEL: hts_at.FRONTEND.filters, STFT.format("real"): real}
    hts_at.load_model(hts_at_file(tables | {STFT.format("imag"): imaginary}, tmp_path / "a.ckpt"))
    pe = positions(600, mae_ast.MaeAst.embed_dim, torch.device("cpu"))[None]
    mae_ast.load_model(mae_ast_file({"enc_sine_pos_embed.pe": pe}, tmp_path / "a.pt"))


@pytest.mark.parametrize("name", ["m2d_vit_base-80x1001p16x16p32k-240413", "x-p16x16p32k-mr7"])
def test_m2d_at_another_rate_is_told_by_its_folder(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    path = tmp_path / name / "checkpoint-300.pth"
    save({"model": layouts.empty(layouts.vit_columns())}, path)
    with pytest.raises(WeightsError, match="M2D at 32 kHz by its name"):
        m2d.load_model(str(path))
    m2d.load_model(str(path.rename(tmp_path / "m2d_vit_base-80x608p16x16-221006-mr7.pth")))
