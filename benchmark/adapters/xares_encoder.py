"""X-ARES: a HEAR module as an encoder file that the released package takes.

Contract: xares 0.1.3, `xares/audio_encoder_checker.py` and `xares/utils.py` (`attr_from_py_path`).
The file stands alone: the package's top-level `tasks` hides ours, so that nothing of `benchmark`
can be imported beside it.
"""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import torch

from benchmark.adapters.adapter import MOST_SECONDS, Adapter
from benchmark.errors import UserError, one_line

CHECKED_SAMPLES = 50_000  # of two sounds, as the package checks an encoder

TEMPLATE = '''\
"""{name} for X-ARES, revision {revision}; written by hear-benchmark xares."""

import importlib

import torch

MODULE = {module!r}
WEIGHTS = {weights!r}  # file; "": the default of the module
OPTIONS = {options!r}
MOST_SECONDS = {most_seconds}  # of audio in one call of the model


class {name}(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.hear = importlib.import_module(MODULE)
        self.model = self.hear.load_model(*([WEIGHTS] if WEIGHTS else []), **OPTIONS)
        self.sampling_rate = {sample_rate}
        self.output_dim = {dim}
        self.hop_size_in_ms = {hop_ms:g}

    def train(self, mode=True):
        return super().train(False)  # frozen

    def forward(self, audio):
        """(n_sounds, n_frames, output_dim) of floats (n_sounds, n_samples) or (n_samples,)."""
        audio = audio.float()
        audio = audio[None] if audio.ndim == 1 else audio
        most = max(1, MOST_SECONDS * self.sampling_rate // audio.shape[1])
        embed = self.hear.get_timestamp_embeddings
        with torch.no_grad():
            return torch.cat([embed(each, self.model)[0] for each in audio.split(most)])
'''


def class_name(adapter: Adapter) -> str:
    """Named after model and revision: X-ARES keeps its embeddings by this name alone."""
    words = re.findall(r"[A-Za-z0-9]+", adapter.name.rpartition(".")[2])
    return f"{''.join(word.capitalize() for word in words)}_{adapter.revision}_Encoder"


def write_encoder(adapter: Adapter, folder: Path) -> Path:
    """Write the encoder file of a model, and check it as the package does.

    Returns
    -------
    Path
        ``<class name in lower case>.py``.

    Raises
    ------
    UserError
        The file would not be accepted; it is there all the same, to be looked at.
    """
    name = class_name(adapter)
    spec = adapter.model.spec
    path = folder / f"{name.lower()}.py"
    folder.mkdir(parents=True, exist_ok=True)
    text = TEMPLATE.format(
        name=name,
        revision=adapter.revision,
        module=adapter.name,
        weights=str(Path(spec.weights).resolve()) if spec.weights else "",
        options=dict(spec.options),
        most_seconds=MOST_SECONDS,
        sample_rate=adapter.sample_rate,
        dim=adapter.dim,
        hop_ms=adapter.hop_ms,
    )
    path.write_text(text, encoding="utf-8")
    check_encoder(path)
    return path


def check_encoder(path: Path) -> None:
    """Check an encoder file by X-ARES's rules.

    Raises
    ------
    UserError
        Naming the rule: one name that ends in Encoder, the attributes, the shape of what it gives.
    """
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    names = [name for name in dir(module) if name.endswith("Encoder")]
    if len(names) != 1:
        raise UserError(f"{path}: {len(names)} names end in Encoder, expected one: {names}")
    try:
        encoder = getattr(module, names[0])()
        found = encoder(0.1 * torch.randn(2, CHECKED_SAMPLES))
        dim = encoder.output_dim
        missing = [n for n in ("sampling_rate", "hop_size_in_ms") if not hasattr(encoder, n)]
    except Exception as error:
        raise UserError(f"{path}: the encoder fails: {one_line(error)}") from error
    if missing:
        raise UserError(f"{path}: the encoder has no {missing[0]}")
    if found.ndim != 3 or len(found) != 2 or found.shape[2] != dim:
        raise UserError(f"{path}: embeddings {tuple(found.shape)}, expected (2, n_frames, {dim})")
