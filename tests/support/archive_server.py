"""A local server of task archives that breaks in the ways that servers do, and its archives."""

from __future__ import annotations

import http.server
import io
import re
import tarfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tasks.audio import write_wav
from tasks.corpus import metadata_of
from tasks.entries import find_entry
from tasks.folder import folder_name, write_task


class ArchiveServer(http.server.ThreadingHTTPServer):
    """Files by their names, served as well or as badly as a test wants."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.status: dict[str, int] = {}
        self.ranges = True
        self.heads = True
        self.cuts: list[int] = []  # bytes after which each of the next answers breaks off
        self.slow = 0.0  # seconds between blocks of 16 KiB
        self.asked: list[tuple[str, int | None]] = []  # of each GET: file, first byte wanted

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/files"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: ArchiveServer

    def do_HEAD(self) -> None:
        if self.server.heads:
            self._answer(with_body=False)
        else:
            self.send_error(405)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, with_body: bool) -> None:
        server, name = self.server, self.path.rpartition("/")[2]
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if with_body:
            server.asked.append((name, int(found[1]) if found else None))
        if name not in server.files or name in server.status:
            self.send_error(server.status.get(name, 404))
            return
        content = server.files[name]
        start = int(found[1]) if found and server.ranges else 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        if not with_body:
            return
        body = content[start:]
        if server.cuts:
            body = body[: server.cuts.pop(0)]
        try:
            for at in range(0, len(body), 1 << 14):
                self.wfile.write(body[at : at + (1 << 14)])
                time.sleep(server.slow)
        except OSError:
            pass  # the other side was killed

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def archive_server() -> Iterator[ArchiveServer]:
    with ArchiveServer() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield running
        finally:
            running.shutdown()
            thread.join()


def make_published(tasks_dir: Path, name: str, mode: str = "", clips: int = 2) -> Path:
    """A task's folder as published, but for its few clips of a tenth of a second."""
    entry = find_entry(name)
    metadata = metadata_of(*entry.mode_config(mode))
    path = tasks_dir / folder_name(metadata)
    is_event = metadata["embedding_type"] == "event"
    rng = np.random.default_rng(0)
    items: dict[str, dict[str, list[Any]]] = {}
    for split in metadata["splits"]:
        (path / "48000" / split).mkdir(parents=True)
        items[split] = {}
        for number in range(clips):
            file = f"{split}_{number}.wav"
            label = f"label{number}"
            event = {"label": label, "start": 10.0, "end": 60.0}
            items[split][file] = [event] if is_event else [label]
            write_wav(
                path / "48000" / split / file, rng.uniform(-1, 1, 4800).astype("f4") / 2, 48000
            )
    write_task(path, metadata, items)
    return path


def archive_of(folder: Path) -> tuple[str, bytes]:
    """Name and content of the archive of a task's folder, laid out as HEAR's are."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz", compresslevel=1) as archive:
        archive.add(folder, f"tasks/{folder.name}")
    return f"hear2021-{folder.name}-48000.tar.gz", content.getvalue()
