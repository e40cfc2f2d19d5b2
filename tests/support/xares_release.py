"""Run by a Python that has the released package xares: its heads on given arrays.

python xares_release.py IN.npz OUT.npz
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch


class Batches:
    """Batches of 32 clips in a given order for each epoch, as the release's loaders give them."""

    def __init__(self, x: torch.Tensor, y: torch.Tensor, orders: torch.Tensor) -> None:
        self.x, self.y, self.orders = x, y, iter(orders)

    def __iter__(self) -> Iterator[Any]:
        for rows in next(self.orders).split(32):
            sequences = self.x[rows][:, :, None], torch.ones(len(rows), dtype=torch.long)
            yield sequences, self.y[rows], None


def main(source: str, target: str) -> None:
    from xares.models.simple import Mlp
    from xares.trainer import KNN, Trainer

    arrays = {name: torch.from_numpy(value) for name, value in np.load(source).items()}
    epochs, labels = len(arrays["orders"]), len(arrays["bias"])
    model = Mlp(arrays["train_x"].shape[1], labels)
    with torch.no_grad():
        model.fc.weight.copy_(arrays["weight"])
        model.fc.bias.copy_(arrays["bias"])
    in_order = torch.arange(len(arrays["valid_x"])).expand(epochs, -1)
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(model, device="cpu", lr=1e-3, max_epochs=epochs, ckpt_dir=folder)
        trainer.run(
            Batches(arrays["train_x"], arrays["train_y"], arrays["orders"]),
            Batches(arrays["valid_x"], arrays["valid_y"], in_order),
        )
        (best,) = Path(folder).iterdir()
        model.load_state_dict(torch.load(best))
    model.eval()
    with torch.no_grad():
        mlp = model(arrays["test_x"])[0].softmax(dim=1)
    knn = KNN(arrays["train_x"], arrays["train_y"], num_classes=labels)(arrays["test_x"])
    np.savez(target, mlp=mlp.numpy(), knn=knn.numpy())


if __name__ == "__main__":
    main(*sys.argv[1:])
