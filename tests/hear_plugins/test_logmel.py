"""The baseline without weights: its statistics are what its card says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from parity_fixtures import audio

from hear_plugins import logmel


def test_scene_is_five_statistics_of_each_mel() -> None:
    sounds = audio(3, 2.0, 16000)
    model = logmel.load_model()
    scene = logmel.get_scene_embeddings(sounds, model).numpy()
    assert scene.shape == (2, model.scene_embedding_size) == (2, 640)
    mel = logmel.load_model().spectrogram(sounds)[1].numpy()
    expected = (
        mel.mean(1),
        mel.std(1),
        np.quantile(mel, 0.1, axis=1, method="nearest"),
        np.quantile(mel, 0.9, axis=1, method="nearest"),
        np.abs(np.diff(mel)).mean(1),
    )
    np.testing.assert_allclose(scene[1], np.concatenate(expected), atol=2e-5)


def test_timestamps_follow_the_sound() -> None:
    model = logmel.load_model()
    sounds = torch.zeros(1, 16000)
    sounds[:, 8000:] = 0.1 * torch.randn(8000, generator=torch.Generator().manual_seed(0))
    embeddings, times = logmel.get_timestamp_embeddings(sounds, model)
    assert embeddings.shape == (1, 21, model.timestamp_embedding_size) == (1, 21, 384)
    assert times[0].tolist() == [50.0 * n for n in range(21)]
    level, before, after = embeddings[0].unflatten(1, (3, 128)).mean(2).T
    assert level[12:].min() - level[:8].max() > 1
    assert times[0, before.argmax()] in (500, 550) and times[0, after.argmax()] in (450, 500)
    torch.testing.assert_close(before[1:], after[:-1])


def test_options() -> None:
    sounds = torch.zeros(1, 16000)
    for hop in (10, 20, 100):
        _, times = logmel.get_timestamp_embeddings(sounds, logmel.load_model(hop_ms=hop))
        assert times[0].tolist() == list(range(0, 1001, hop))
    with pytest.raises(ValueError, match="hop_ms=45"):
        logmel.load_model(hop_ms=45)
    with pytest.raises(ValueError, match="no weights"):
        logmel.load_model("some.pth")
    with pytest.raises(TypeError, match="hop"):
        logmel.load_model(hop=10)  # type: ignore[call-arg]
