"""What every test shares: no network, no user's cache, and the optional ../shared facts."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]

settings.register_profile("repeatable", deadline=None, derandomize=True, database=None)
settings.load_profile("repeatable")


# Of each kind of network a small one: costly tests run on these, and on the others with -m long.
SMALL_MODELS = {"byol_a", "byol_s", "crepe", "hts_at", "hybrid_byol_s_cvt", "logmel", "matpac"}

# Large networks whose code other models share, with small ones in tests of their own: all long.
LIKE_OTHERS = {"data2vec_audio", "hubert", "mert", "transformers_audio", "unispeech_sat"}
LIKE_OTHERS |= {"wavlm", "whisper", "xls_r"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep together, when tests run in several processes, those that build the same model."""
    for item in items:
        parameters = getattr(item, "callspec", None)
        plugin = parameters.params.get("plugin", "") if parameters else ""
        name = plugin.rpartition(".")[2]
        costly = item.get_closest_marker("costly") and name not in SMALL_MODELS
        if costly or name in LIKE_OTHERS:
            item.add_marker(pytest.mark.long)
        item.add_marker(pytest.mark.xdist_group(f"{item.path.relative_to(ROOT)} {plugin}"))


@pytest.fixture(scope="session", autouse=True)
def own_cache_and_no_network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Weights are looked for in an empty cache; a connection to another machine fails."""
    connect = socket.socket.connect

    def local_connect(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and address[0] not in ("localhost", "127.0.0.1", "::1"):
            raise OSError(f"tests do not use the network, but {address} was asked for")
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", local_connect)
        patch.setenv("HEAR_PLUGINS_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("HF_HUB_CACHE", str(tmp_path_factory.mktemp("hub")))
        patch.delenv("HEAR_PLUGINS_RANDOM_WEIGHTS", raising=False)
        yield


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of golden arrays and real audio beside the checkout; absent elsewhere: skip."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"needs {folder}, which is not part of the repository")
    return folder
