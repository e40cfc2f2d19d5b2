"""Downloads that survive a bad network, and files that are not what they should be."""

from __future__ import annotations

import hashlib
import http.server
import io
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hear_plugins.weights import download
from hear_plugins.weights.cache import CACHE_VARIABLE, resolve
from hear_plugins.weights.catalogue import CHECKPOINTS, Checkpoint
from hear_plugins.weights.errors import WeightsError

CONTENT = b"\x80\x02" + bytes(range(256)) * 4096  # begins as a pickle does; 1 MiB
PAGE = b"\n<!DOCTYPE html><html><body>Too many requests</body></html>"


class Server(http.server.ThreadingHTTPServer):
    """One file, served as well or as badly as a test wants."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.status = 200
        self.ranges = True
        self.cuts: list[int] = []  # bytes after which each of the next answers breaks off
        self.asked: list[str | None] = []  # the Range of each request
        self.etag = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/weights.pth"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.asked.append(wanted)
        start = int(wanted[6:-1]) if wanted and self.server.ranges else 0
        if self.headers.get("If-Range", self.server.etag) != self.server.etag:
            start = 0
        if self.server.status != 200:
            self.send_error(self.server.status)
            return
        body = self.server.content[start:]
        if start and not body:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(self.server.content)}")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            end = len(self.server.content)
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{end}")
        self.send_header("Content-Length", str(len(body)))
        if self.server.etag:
            self.send_header("ETag", self.server.etag)
        self.end_headers()
        self.wfile.write(body[: self.server.cuts.pop(0)] if self.server.cuts else body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(download, "_PAUSE_S", 0.0)
    return tmp_path / "cache"


def published(server: Server, **changes: Any) -> Checkpoint:
    facts = {
        "module": "some_model",
        "variant": "base",
        "file": "weights.pth",
        "url": server.url,
        "size": len(CONTENT),
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
        "git_blob": hashlib.sha1(b"blob %d\0" % len(CONTENT) + CONTENT).hexdigest(),
        "licence": "Some Licence 1.0",
        "source": "someone/some-model@0123456",
    }
    return Checkpoint(**(facts | changes))


def test_download_is_verified_kept_and_not_repeated(server: Server, cache: Path) -> None:
    path = resolve("", published(server))
    assert path == cache / "weights.pth"
    assert path.read_bytes() == CONTENT
    assert resolve("", published(server)) == path
    assert server.asked == [None]
    assert not list(cache.glob("*.part"))


@pytest.mark.parametrize("cuts", [[1], [1000, 500_000], [0, 70_000]])
def test_a_cut_connection_is_resumed_where_it_broke(server: Server, cuts: list[int]) -> None:
    server.cuts = list(cuts)
    assert resolve("", published(server)).read_bytes() == CONTENT
    got = [sum(cuts[: n + 1]) for n in range(len(cuts))]
    assert server.asked == [None, *(f"bytes={n}-" if n else None for n in got)]


def test_a_killed_download_is_resumed_by_the_next_call(server: Server, cache: Path) -> None:
    cache.mkdir()
    (cache / "weights.pth.part").write_bytes(CONTENT[:4321])
    assert resolve("", published(server)).read_bytes() == CONTENT
    assert server.asked == ["bytes=4321-"]


def test_a_complete_part_is_accepted(server: Server, cache: Path) -> None:
    cache.mkdir()
    (cache / "weights.pth.part").write_bytes(CONTENT)
    assert resolve("", published(server)).read_bytes() == CONTENT


@pytest.mark.parametrize("stale", [b"x" * 4321, CONTENT + b"more"])
def test_a_stale_part_does_not_spoil_the_file(server: Server, cache: Path, stale: bytes) -> None:
    cache.mkdir()
    (cache / "weights.pth.part").write_bytes(stale)
    assert resolve("", published(server)).read_bytes() == CONTENT


def test_a_server_without_ranges_starts_over(server: Server) -> None:
    server.ranges, server.cuts = False, [1000]
    assert resolve("", published(server)).read_bytes() == CONTENT


def test_the_beginning_of_a_digest_is_verified(server: Server) -> None:
    begins = hashlib.sha256(CONTENT).hexdigest()[:8]
    path = resolve("", published(server, sha256=begins, git_blob=None, size=None))
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    "changes",
    [
        {"sha256": "0" * 8},
        {"sha256": "0" * 64},
        {"git_blob": "0" * 40, "sha256": None},
        {"size": 5, "sha256": None},
    ],
)
def test_a_wrong_file_is_refused_and_not_kept(
    server: Server, cache: Path, changes: dict[str, Any]
) -> None:
    with pytest.raises(WeightsError, match="not the published file") as caught:
        resolve("", published(server, **changes))
    assert_names_the_way_out(caught.value, server.url, cache)
    assert not (cache / "weights.pth").exists() and not (cache / "weights.pth.part").exists()


def unverified(server: Server, **changes: Any) -> Checkpoint:
    return published(server, size=None, sha256=None, git_blob=None, **changes)


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        (PAGE, "a web page"),
        (b"\xef\xbb\xbf<?xml version='1.0'?><Error>AccessDenied</Error>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a Git LFS pointer"),
        (b'{"error": "no such file"}', "JSON"),
        (b"", "no known kind"),
    ],
)
def test_what_is_no_weights_file_never_reaches_the_cache(
    server: Server, cache: Path, sent: bytes, kind: str
) -> None:
    server.content = sent
    with pytest.raises(WeightsError, match=f"not the published file.*{kind}") as caught:
        resolve("", unverified(server))
    assert_names_the_way_out(caught.value, server.url, cache)
    assert not [p for p in cache.iterdir() if p.suffix != ".lock"]
    server.content = CONTENT
    assert resolve("", unverified(server)).read_bytes() == CONTENT


def test_what_is_no_weights_file_is_not_taken_from_the_cache(server: Server, cache: Path) -> None:
    cache.mkdir()
    (cache / "weights.pth").write_bytes(PAGE)
    with pytest.raises(WeightsError, match="a web page.*delete it and run again"):
        resolve("", unverified(server))


@pytest.mark.parametrize("sent", [PAGE, b"{", b'{"a":' * 5000, CONTENT])
def test_configurations_must_be_json(server: Server, sent: bytes) -> None:
    server.content = sent
    with pytest.raises(WeightsError, match="expected JSON"):
        resolve("", unverified(server, file="config.json"))
    server.content = b'{"model_type": "some"}'
    assert resolve("", unverified(server, file="config.json")).read_bytes() == server.content


def test_a_digest_is_held_from_first_sight(server: Server, cache: Path) -> None:
    path = resolve("", unverified(server))
    digest = hashlib.sha256(CONTENT).hexdigest()
    assert (cache / "weights.pth.sha256").read_text() == f"{digest}  weights.pth\n"
    assert resolve("", unverified(server)) == path

    path.write_bytes(CONTENT[:-1] + b"?")
    with pytest.raises(WeightsError, match=f"{digest} when it was first seen.*delete"):
        resolve("", unverified(server))

    path.unlink()
    server.content = CONTENT[:-1] + b"!"
    with pytest.raises(WeightsError, match=f"{digest} when it was first seen.*delete"):
        resolve("", unverified(server))
    assert not path.exists()
    (cache / "weights.pth.sha256").unlink()
    assert resolve("", unverified(server)).read_bytes() == server.content


def test_the_digest_of_a_file_put_by_hand_is_held(server: Server, cache: Path) -> None:
    cache.mkdir()
    path = cache / "weights.pth"
    path.write_bytes(CONTENT)
    assert resolve("", unverified(server, by_hand=True)) == path
    path.write_bytes(CONTENT[:-1] + b"?")
    with pytest.raises(WeightsError, match="first seen"):
        resolve("", unverified(server, by_hand=True))


@pytest.mark.parametrize("record", ["", "x" * 64, "\x1b[2J"])
def test_a_damaged_record_of_a_digest_is_no_licence(
    server: Server, cache: Path, record: str
) -> None:
    path = resolve("", unverified(server))
    (cache / "weights.pth.sha256").write_text(record)
    with pytest.raises(WeightsError, match="holds no sha256; delete it if you trust"):
        resolve("", unverified(server))
    assert path.exists()


def test_a_published_md5_is_verified_at_first_sight(server: Server, cache: Path) -> None:
    with pytest.raises(WeightsError, match="md5 .* expected 0123"):
        resolve("", unverified(server, md5="0123"))
    assert not (cache / "weights.pth").exists()
    right = hashlib.md5(CONTENT).hexdigest()
    assert resolve("", unverified(server, md5=right)).read_bytes() == CONTENT


def test_a_part_of_another_version_is_not_continued(server: Server, cache: Path) -> None:
    server.etag, server.cuts = '"one"', [1000, 0, 0, 0]
    with pytest.raises(WeightsError, match="could not be downloaded"):
        resolve("", unverified(server))
    assert (cache / "weights.pth.part").read_bytes() == CONTENT[:1000]
    server.etag, server.content = '"two"', CONTENT[:1000] + CONTENT[:1000:-1]
    assert resolve("", unverified(server)).read_bytes() == server.content
    assert not [p for p in cache.iterdir() if p.suffix in (".part", ".etag")]


def test_a_file_inside_an_archive_is_unpacked(server: Server, cache: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("some_model/weights.pth", CONTENT)
    server.content = packed.getvalue()
    server.cuts = [500]
    path = resolve("", published(server, member="some_model/weights.pth"))
    assert path == cache / "weights.pth" and path.read_bytes() == CONTENT
    assert sorted(p.suffix for p in cache.iterdir()) == [".lock", ".pth"]


@pytest.mark.parametrize("member", ["other.pth", "weights.pth"])
def test_an_archive_without_the_file_is_refused(server: Server, cache: Path, member: str) -> None:
    if member == "other.pth":
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("weights.pth", CONTENT)
        server.content = packed.getvalue()
    with pytest.raises(WeightsError, match=f"no zip archive with {member}") as caught:
        resolve("", published(server, member=member))
    assert_names_the_way_out(caught.value, server.url, cache)
    assert not [p for p in cache.iterdir() if p.suffix != ".lock"]


@pytest.mark.parametrize("status", [403, 404, 503])
def test_a_refusal_says_where_to_get_the_file(server: Server, cache: Path, status: int) -> None:
    server.status = status
    with pytest.raises(WeightsError, match=str(status)) as caught:
        resolve("", published(server))
    assert_names_the_way_out(caught.value, server.url, cache)
    assert len(server.asked) == (1 if status < 500 else 3)


def test_a_server_that_always_breaks_off_is_given_up(server: Server) -> None:
    server.ranges, server.cuts = False, [1000] * 50
    with pytest.raises(WeightsError, match="connection lost after 1000 of 1048578 bytes"):
        resolve("", published(server))


def test_without_a_network_the_error_names_file_url_licence_and_place(cache: Path) -> None:
    for checkpoint in (each for each in CHECKPOINTS if not each.hub):
        with pytest.raises(WeightsError) as caught:  # conftest.py refuses other machines
            resolve("", checkpoint)
        assert checkpoint.file in str(caught.value)
        assert checkpoint.licence in str(caught.value)
        assert_names_the_way_out(caught.value, checkpoint.url, cache)


def assert_names_the_way_out(error: WeightsError, url: str, cache: Path) -> None:
    assert url in str(error) and str(cache) in str(error) and "licence" in str(error)
    assert "\n" not in str(error)


def test_a_damaged_cached_file_is_noticed(server: Server, cache: Path) -> None:
    path = resolve("", published(server))
    path.write_bytes(CONTENT[:-1] + b"?")
    with pytest.raises(WeightsError, match="damaged.*sha256.*delete it"):
        resolve("", published(server))


def test_two_processes_download_once(server: Server, cache: Path) -> None:
    program = (
        "import sys\n"
        "from hear_plugins.weights.cache import resolve\n"
        "from hear_plugins.weights.catalogue import Checkpoint\n"
        "resolve('', Checkpoint('m', 'v', 'weights.pth', sys.argv[1], None, sys.argv[2],"
        " None, 'L', 'S'))"
    )
    digest = hashlib.sha256(CONTENT).hexdigest()
    command = [sys.executable, "-c", program, server.url, digest]
    both = [subprocess.Popen(command, cwd=Path(__file__).parents[3]) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert (cache / "weights.pth").read_bytes() == CONTENT
    assert len(server.asked) == 1


def test_a_given_path_must_be_a_file(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="nowhere.pth is missing"):
        resolve(str(tmp_path / "nowhere.pth"), CHECKPOINTS[0])
    with pytest.raises(WeightsError, match="is a folder"):
        resolve(str(tmp_path), CHECKPOINTS[0])
