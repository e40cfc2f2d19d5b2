"""Folders of transformers models: of the Hugging Face Hub through huggingface_hub, or local.

The Hub's own cache, mirrors (`HF_ENDPOINT`) and offline switch (`HF_HUB_OFFLINE=1`) apply. What is
in the cache is used without asking the network.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from torch import Tensor

from .checkpoint_file import load_tensors
from .digests import digests
from .errors import WeightsError
from .messages import quoted, say, shown

WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin")
_SETTINGS = ("config.json", "preprocessor_config.json")
_ID = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?")
_LARGEST_JSON = 1 << 22


def is_id(model: str) -> bool:
    """Whether `model` has the form of an id: OWNER/NAME or OWNER/NAME@REVISION."""
    return _ID.fullmatch(model) is not None


def cached_weights(model: str) -> Path | None:
    """The weights file of a model in the Hub's cache, or None; the network is not asked."""
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return None
    repo, _, revision = model.partition("@")
    for name in WEIGHTS:
        found = try_to_load_from_cache(repo, name, revision=revision or None)
        if isinstance(found, str):
            return Path(found)
    return None


def hub_weights(model: str, licence: str = "") -> Path:
    """The weights file of a model of the Hub, settings beside it; downloaded where it is absent.

    Parameters
    ----------
    model : OWNER/NAME or OWNER/NAME@REVISION.
    licence : for the messages, where it is known.

    Raises
    ------
    WeightsError
        Not an id, not on the Hub, without network, or a cached file that is damaged.
    """
    if not is_id(model):
        fault = f"model={shown(model)} is neither a folder nor an id; expected OWNER/NAME"
        raise WeightsError(f"{fault} of the Hugging Face Hub, or a folder with config.json")
    path = cached_weights(model)
    if path is None or not path.with_name(_SETTINGS[0]).is_file():
        path = _download(model, licence)
    for name in (path.name, *_shards(path)):
        _verify(path.with_name(name))
    return path


def _download(model: str, licence: str) -> Path:
    from huggingface_hub import constants, hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    repo, _, revision = model.partition("@")

    def get(name: str) -> Path | None:
        try:
            return Path(hf_hub_download(repo, name, revision=revision or None))
        except LocalEntryNotFoundError:  # the network failed
            raise
        except EntryNotFoundError:
            return None

    url = f"{constants.ENDPOINT}/{repo}"
    terms = f" (licence: {licence})" if licence else ""
    say(f"looking up {url} for {constants.HF_HUB_CACHE}{terms}")
    try:
        settings = [get(name) for name in _SETTINGS]
        path = next((found for name in WEIGHTS if (found := get(name))), None)
        for name in _shards(path) if path else ():
            get(name)
    except Exception as error:  # httpx, huggingface_hub and the system, by many types
        fault = f"{model} is not in {constants.HF_HUB_CACHE} and cannot be downloaded from"
        raise WeightsError(
            f"{fault} {url}{terms} ({quoted(str(error))}); where there is a network, type"
            f" hf download {repo}, and give the folder; a mirror: HF_ENDPOINT=URL"
        ) from None
    if path is None or settings[0] is None:
        expected = f"expected {_SETTINGS[0]} and one of {', '.join(WEIGHTS)}"
        raise WeightsError(f"{model} at {url} has no model of transformers; {expected}")
    return path


def _verify(path: Path) -> None:
    """The Hub's cache names large files by their sha256, small ones by their git blob."""
    stored = path.resolve().name
    if path.is_symlink() and len(stored) in (40, 64) and stored not in digests(path):
        raise WeightsError(f"{path} is damaged: not sha256 {stored}; delete it and run again")


def weights_in(folder: Path) -> Path:
    """The weights file in a folder as `save_pretrained` or the Hub makes it."""
    for name in WEIGHTS:
        if (folder / name).is_file():
            return folder / name
    raise WeightsError(f"folder {folder} holds neither {' nor '.join(WEIGHTS)}")


def load_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a weights file, or of the files that an index names."""
    if path.suffix != ".json":
        return load_tensors(path)
    tensors: dict[str, Tensor] = {}
    for name in _shards(path):
        tensors |= load_tensors(path.with_name(name))
    return tensors


def _shards(path: Path) -> Iterable[str]:
    if path.suffix != ".json":
        return ()
    content = json_beside(path, path.name) or {}
    names = content.get("weight_map")
    if not isinstance(names, dict) or not names:
        raise WeightsError(f"{path} has no weight_map; expected the index of a model's files")
    files = sorted({str(name) for name in names.values()})
    if wrong := next((name for name in files if Path(name).name != name), None):
        raise WeightsError(f"{path} names {shown(wrong)}; expected files beside it")
    return files


def json_beside(path: Path, name: str) -> dict[str, Any] | None:
    """The content of a JSON file in the folder of `path`; None if there is none."""
    beside = path.with_name(name)
    if not beside.is_file():
        return None
    try:
        if beside.stat().st_size > _LARGEST_JSON:
            raise ValueError(f"it has more than {_LARGEST_JSON} bytes")
        content = json.loads(beside.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise WeightsError(f"{beside} is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise WeightsError(f"{beside} is a {type(content).__name__}; expected a JSON object")
    return content
