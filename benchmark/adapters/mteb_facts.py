"""What MTEB's `ModelMeta` asks for, from a model's card and its published weights.

Fields: mteb 2.26, `mteb/models/model_meta.py`. What is not known stays None.
"""

from __future__ import annotations

import re
from typing import Any

import torch

from benchmark.adapters.adapter import Adapter
from benchmark.errors import UserError
from benchmark.models.discovery import our_modules
from hear_plugins.api.card import Card, read_card
from hear_plugins.weights.catalogue import CHECKPOINTS, Checkpoint

LICENCES = {
    licence.upper(): licence
    for licence in ("mit", "apache-2.0", "cc-by-4.0", "cc-by-nc-4.0", "bsd-3-clause")
}


def model_facts(adapter: Adapter, name: str) -> dict[str, Any]:
    """Keyword arguments of `ModelMeta`, all but the loader.

    Parameters
    ----------
    name
        "organisation/model", as it shall stand on the board.

    Raises
    ------
    UserError
        The name has another form.
    """
    check_name(name)
    card, checkpoint = _published(adapter)
    tensors = adapter.model.model if isinstance(adapter.model.model, torch.nn.Module) else None
    parameters = list(tensors.parameters()) if tensors is not None else []
    source = checkpoint.source if checkpoint else ""
    link = card.link if card else ""
    return {
        "name": name,
        "revision": adapter.revision,
        "release_date": (card and card.released) or None,
        "languages": list(card.languages) or None if card else None,
        "n_parameters": sum(each.numel() for each in parameters),
        "n_embedding_parameters": 0,
        "memory_usage_mb": round(sum(e.numel() * e.element_size() for e in parameters) / 2**20, 1),
        "max_tokens": None,
        "embed_dim": adapter.scene_dim,
        "license": _licence(checkpoint),
        "open_weights": _is_open(card, checkpoint),
        "public_training_code": (card and card.training_code) or None,
        "public_training_data": card.public_data if card else None,
        "framework": ["PyTorch"],
        "reference": link.replace("arXiv:", "https://arxiv.org/abs/").replace(
            "doi:", "https://doi.org/"
        )
        or None,
        "similarity_fn_name": "cosine",
        "use_instructions": False,
        "training_datasets": set(card.training_data) if card else None,
        "modalities": ["audio"],
        "citation": (card and card.bibtex) or None,
        "contacts": [source.partition("/")[0]] if "/" in source else None,
    }


def check_name(name: str) -> None:
    """UserError where a name on MTEB's board is not "organisation/model"."""
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        raise UserError(f"{name!r}: expected organisation/model, such as nttcslab/byol-a")


def _published(adapter: Adapter) -> tuple[Card | None, Checkpoint | None]:
    """Card and file of what was loaded; None where the module or the file is not one of ours."""
    leaf = adapter.name.rpartition(".")[2]
    if adapter.name not in our_modules():
        return None, None
    file = str(adapter.model.provenance.get("file", ""))
    of_module = [each for each in CHECKPOINTS if each.module == leaf]
    for checkpoint in of_module:
        if checkpoint.file.rpartition("/")[2] == file:
            return read_card(leaf), checkpoint
    return read_card(leaf), None


def _is_open(card: Card | None, checkpoint: Checkpoint | None) -> bool | None:
    if card is None:
        return None
    # Of some models only the code was published.
    return checkpoint is None or not checkpoint.by_hand or bool(card.released)


def _licence(checkpoint: Checkpoint | None) -> str | None:
    if checkpoint is None:
        return None
    if checkpoint.licence.upper() in LICENCES:
        return LICENCES[checkpoint.licence.upper()]
    return "not specified" if checkpoint.licence.startswith("none") else None
