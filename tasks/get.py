"""HEAR's published task archives: downloaded, checked, unpacked, and only then in their place.

Beside the task folders, ``.archives/`` keeps what is under way, and for every archive that was
unpacked once its ``<archive>.sha256``, as `sha256sum` writes it: what comes under the same name
later must be the same.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import threading
import urllib.error
import urllib.parse
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from filelock import FileLock, Timeout

from hear_plugins.weights.download import BLOCK, fetch, stated_length

from .entries import ENTRIES
from .entry import TaskEntry
from .folder import TaskError, near_names, read_task
from .reading import is_regular, read_bytes
from .staging import NO_SPACE, move_into_place, staging
from .unpack import UnpackError, unpack

RATE = 48000
OFFICIAL_URL = "https://zenodo.org/records/6332517/files/{name}?download=1"
BUCKETS = "gs://hear2021-archive/tasks/ and s3://hear2021-archive/tasks/"
ARCHIVES_FOLDER = ".archives"
WAV_HEADER_BYTES = 44
MOST_RECORD_BYTES = 10_000
LABEL_BYTES = 1000  # of a clip in the JSON files, most of them for MAESTRO's notes
SPARE_BYTES = 64 << 20

OnProgress = Callable[[int, int], None]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Archive:
    """A published archive: one mode of a task at one rate (Hz)."""

    entry: TaskEntry
    mode: str
    rate: int
    base_url: str = ""

    @property
    def folder(self) -> str:
        """Name of the task's folder."""
        return self.entry.folder_name(self.mode)

    @property
    def name(self) -> str:
        return f"hear2021-{self.folder}-{self.rate}.tar.gz"

    @property
    def url(self) -> str:
        if self.base_url:
            return f"{self.base_url.rstrip('/')}/{self.name}"
        return OFFICIAL_URL.format(name=self.name)

    @property
    def unpacked_bytes(self) -> int:
        """What the task takes on the disk, by its clips and their duration."""
        hours = self.entry.hours_of(self.mode) or 0.0
        clips = self.entry.files[self.mode] * (WAV_HEADER_BYTES + LABEL_BYTES)
        return int(hours * 3600 * self.rate * 2) + clips


def official_archives(names: Sequence[str], rate: int = RATE, base_url: str = "") -> list[Archive]:
    """The archives of some tasks.

    Parameters
    ----------
    names
        Tasks (``esc50``; all published modes of ``speech_commands``) or folders
        (``speech_commands-v0.0.2-5h``); none: all of HEAR's.
    rate
        Hz. Only 48000 is published at no cost to who asks.
    base_url
        A mirror's folder of archives in place of Zenodo's; ``file:`` URLs are taken too.

    Raises
    ------
    TaskError
        No such task, none that was published, or a rate that is not there.
    """
    if rate != RATE and not base_url:
        raise TaskError(
            f"rate is {rate}; archives are published at {RATE} Hz, and models' rates are made of"
            f" them while embedding; other rates are in {BUCKETS} (who asks pays): copy them, and"
            " name their folder with --base-url file:///..."
        )
    if base_url and not _is_url(base_url):
        raise TaskError(
            f"--base-url is {base_url!r}; expected the URL of a folder of archives, such as"
            " https://mirror.org/hear or file:///data/hear"
        )
    known: dict[str, list[Archive]] = defaultdict(list)
    for entry in ENTRIES.values():
        for mode in entry.archives:
            archive = Archive(entry, mode, rate, base_url)
            known[entry.name].append(archive)
            known[archive.folder].append(archive)
    chosen: dict[str, Archive] = {}
    for name in names or known:
        if name not in known:
            raise TaskError(_not_published(name, known))
        chosen.update({archive.name: archive for archive in known[name]})
    return list(chosen.values())


def _is_url(text: str) -> bool:
    try:
        parts = urllib.parse.urlsplit(text)
        _ = parts.port  # refuses what is no number
    except ValueError:
        return False
    is_plain = text.isascii() and text.isprintable() and " " not in text
    server = parts.scheme in ("http", "https") and bool(parts.hostname)
    return is_plain and (server or (parts.scheme == "file" and bool(parts.path)))


def _not_published(name: str, known: Iterable[str]) -> str:
    entry = ENTRIES.get(name)
    if entry is None:
        near = near_names(name, {*known, *ENTRIES})
        return f"unknown task {name!r}{near}; `hear-benchmark tasks` lists all"
    if not entry.corpus:
        return f"{name} is built in and needs no download: --tasks demo"
    return (
        f"{name} was not published as an archive; get its corpus ({entry.source}) and type"
        f" hear-benchmark prepare {name} --from FOLDER"
    )


def get_tasks(
    archives: Sequence[Archive],
    into: Path | str,
    *,
    jobs: int = 4,
    keep_archives: bool = False,
    on_progress: OnProgress = lambda done, total: None,
    on_failure: Say | None = None,
    say: Say = lambda line: None,
) -> list[Path]:
    """Bring archives into task folders under `into`; those that are there are left alone.

    A call that was interrupted, or a connection, goes on where it was. Two processes may get the
    same task: one of them does it, the other waits.

    Parameters
    ----------
    jobs
        Archives at a time.
    keep_archives
        Leave the archives in ``.archives/``.
    on_progress
        Called with bytes done and bytes in all; each archive counts twice, once for unpacking.
    on_failure
        Called with a line for each archive that fails, and the others go on; by default the first
        failure is raised.
    say
        Called with a line for what a user may want to know.

    Returns
    -------
    Folders that are there, in the order of the archives.

    Raises
    ------
    TaskError
        The disk has too little room, before anything is begun; without `on_failure` the first
        failure: server, checksum, archive, disk, or a folder in the way.
    """
    into = Path(into)
    try:
        (into / ARCHIVES_FOLDER).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TaskError(f"{into}: cannot be written ({error.strerror}); choose another") from None
    work = _Work(into, keep_archives, on_progress, say)
    there: dict[str, Path] = {}

    def each(action: Callable[[Archive], Path | None], chosen: Sequence[Archive]) -> list[Archive]:
        """The archives whose action gave no folder, and did not fail."""
        left = []
        with ThreadPoolExecutor(max(1, jobs)) as pool:
            running = {pool.submit(action, archive): archive for archive in chosen}
            try:
                for future in as_completed(running):
                    try:
                        folder = future.result()
                    except TaskError as error:
                        if on_failure is None:
                            raise
                        on_failure(str(error))
                        continue
                    if folder is None:
                        left.append(running[future])
                    else:
                        there[running[future].name] = folder
            except BaseException:
                work.stopped.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return left

    todo = each(work.look, archives)
    work.check_disk(todo)
    each(work.get, todo)
    return [there[archive.name] for archive in archives if archive.name in there]


class _Stopped(Exception):
    """Another thread has ended the work."""


class _Work:
    def __init__(self, into: Path, keep: bool, on_progress: OnProgress, say: Say) -> None:
        self.into = into
        self.keep = keep
        self.on_progress = on_progress
        self.say = say
        self.stopped = threading.Event()
        self.lengths: dict[str, int] = {}
        self.done: dict[str, int] = {}
        self.lock = threading.Lock()

    def look(self, archive: Archive) -> Path | None:
        """The task's folder if it is there; else find out how long the archive is."""
        if folder := self._there(archive):
            return folder
        for suffix in ("", ".part", ".sha256", ".lock"):
            path = self._path(archive, suffix)
            if os.path.lexists(path) and not is_regular(path):
                raise TaskError(f"{path}: is no regular file; move it away")
        path = self._path(archive)
        if path.exists():
            self.lengths[archive.name] = path.stat().st_size
            return None
        try:
            length = stated_length(archive.url)
        except (OSError, HTTPException, ValueError) as error:
            raise TaskError(self._fault(archive, error)) from None
        if length is not None:
            self.lengths[archive.name] = length
        return None

    def check_disk(self, archives: Sequence[Archive]) -> None:
        """Raise TaskError if archives and tasks do not fit on the disk together."""
        needed = 0
        for archive in archives:
            part = self._path(archive, ".part")
            there = self._path(archive).exists()
            have = part.stat().st_size if part.exists() else 0
            left = 0 if there else self.lengths.get(archive.name, archive.unpacked_bytes) - have
            needed += max(0, left) + archive.unpacked_bytes
        free = shutil.disk_usage(self.into).free
        if needed > free:
            raise TaskError(
                f"{self.into}: {len(archives)} archives and their tasks take"
                f" {needed / 1e9:.1f} GB, but the disk has {free / 1e9:.1f} GB left; nothing was"
                " begun: get fewer at a time, free some space, or choose another --into"
            )
        if archives:
            self.say(f"to get: {', '.join(archive.folder for archive in archives)}")
            self.say(f"archives and tasks take up to {needed / 1e9:.2f} GB in {self.into}")

    def get(self, archive: Archive) -> Path:
        """Download, check and unpack one archive; the task's folder."""
        try:
            with self._locked(archive):
                if folder := self._there(archive):
                    return folder
                fetched = self._download(archive)
                try:
                    return self._unpack(archive)
                except UnpackError as error:
                    raise TaskError(f"{error}; {self._cast_out(archive, fetched)}") from None
        except TaskError:
            raise
        except (OSError, HTTPException, ValueError) as error:
            raise TaskError(self._fault(archive, error)) from None

    @contextmanager
    def _locked(self, archive: Archive) -> Iterator[None]:
        lock = FileLock(self._path(archive, ".lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            self.say(f"{archive.folder}: another process is getting it; waiting")
            while not lock.is_locked:
                self._check_stopped()
                with suppress(Timeout):
                    lock.acquire(timeout=1)
        try:
            yield
        finally:
            lock.release()

    def _there(self, archive: Archive) -> Path | None:
        folder = self.into / archive.folder
        if not folder.exists():
            return None
        if archive.rate not in read_task(folder).rates():
            raise TaskError(
                f"{folder}: is there already, without {archive.rate} Hz; move it away to get the"
                " published one"
            )
        return folder

    def _download(self, archive: Archive) -> bool:
        """Bring the archive to its place and check it; whether it had to be fetched."""
        path, part = self._path(archive), self._path(archive, ".part")
        if path.exists():
            if fault := self._mismatch(archive, path):
                raise TaskError(
                    f"{path}: {fault}; it is damaged or another archive: delete it and type the"
                    " same line again"
                )
            self._advance(archive, path.stat().st_size)
            return False
        for last in (False, True):
            resumed = part.exists()
            fetch(archive.url, part, lambda count: self._advance(archive, count))
            fault = self._mismatch(archive, part)
            if fault is None:
                os.replace(part, path)
                return True
            part.unlink()
            # An old part may have spoilt the archive; only a whole new one condemns the source.
            if last or not resumed:
                raise TaskError(
                    f"{archive.name}: what {archive.url} sent is not the known archive ({fault});"
                    " nothing was kept: type the same line again, or try another --base-url"
                )
        raise AssertionError("the last try returns or raises")

    def _cast_out(self, archive: Archive, fetched: bool) -> str:
        """Delete an archive that is no use, unless the user put it there; what is to be done."""
        if not fetched:
            return f"delete {self._path(archive)} and type the same line again"
        self._path(archive).unlink()
        return "nothing was kept: type the same line again, or name a mirror with --base-url"

    def _mismatch(self, archive: Archive, path: Path) -> str | None:
        """What of the digests differs from the published or the recorded ones, or None."""
        wanted_md5, record = archive.entry.archives[archive.mode], self._path(archive, ".sha256")
        if archive.rate != RATE:
            wanted_md5 = ""
        if not wanted_md5 and not record.exists():
            return None
        md5, sha256 = _digests(path, self._check_stopped)
        if wanted_md5 and md5 != wanted_md5:
            return f"its MD5 is {md5}, expected {wanted_md5} as published"
        if record.exists():
            recorded = read_bytes(record, MOST_RECORD_BYTES).decode("ascii", "replace")[:64]
            if not re.fullmatch(r"[0-9a-f]{64}", recorded):
                raise TaskError(
                    f"{record}: holds no SHA-256; delete it and type the same line again"
                )
            if sha256 != recorded:
                return f"its SHA-256 is {sha256}, expected {recorded} as {record} has it"
        return None

    def _unpack(self, archive: Archive) -> Path:
        path, final = self._path(archive), self.into / archive.folder
        size = path.stat().st_size
        with staging(final) as folder:
            unpack(
                path,
                archive.folder,
                folder,
                2 * archive.unpacked_bytes + SPARE_BYTES,
                2 * archive.entry.files[archive.mode] + 1000,
                lambda count: self._advance(archive, size + count),
            )
            try:
                task = read_task(folder)
            except TaskError as error:
                fault = str(error).replace(str(folder), archive.folder)
                raise UnpackError(f"{path}: holds no whole task: {fault}") from None
            if task.name != archive.entry.name or archive.rate not in task.rates():
                raise UnpackError(
                    f"{path}: holds {task.name} at {task.rates()} Hz, expected"
                    f" {archive.entry.name} at {archive.rate} Hz"
                )
            # Only now: what was no task must not become the measure of what comes later.
            self._record(archive)
            move_into_place(folder, final)
        if not self.keep:
            path.unlink()
        return final

    def _record(self, archive: Archive) -> None:
        record = self._path(archive, ".sha256")
        if not record.exists():
            partial = record.with_name(f"{record.name}.part")
            sha256 = _digests(self._path(archive), self._check_stopped)[1]
            partial.write_text(f"{sha256}  {archive.name}\n", encoding="ascii")
            os.replace(partial, record)

    def _fault(self, archive: Archive, error: Exception) -> str:
        if isinstance(error, OSError) and error.errno in NO_SPACE:
            return (
                f"{archive.name}: no space left on the disk of {self.into} ({error.strerror}); what"
                " is downloaded is kept: free some space and type the same line again"
            )
        what = f"cannot be downloaded from {archive.url} ({error})"
        if isinstance(error, urllib.error.HTTPError):
            what = f"{archive.url} answers {error.code} {error.reason}, expected the archive"
        return (
            f"{archive.name}: {what}; type the same line again to go on, name a mirror with"
            f" --base-url, or put the archive at {self._path(archive)}"
        )

    def _path(self, archive: Archive, suffix: str = "") -> Path:
        return self.into / ARCHIVES_FOLDER / (archive.name + suffix)

    def _check_stopped(self) -> None:
        if self.stopped.is_set():
            raise _Stopped

    def _advance(self, archive: Archive, count: int) -> None:
        self._check_stopped()
        with self.lock:
            self.done[archive.name] = count
            self.on_progress(sum(self.done.values()), 2 * sum(self.lengths.values()))


def _digests(path: Path, on_block: Callable[[], None]) -> tuple[str, str]:
    """MD5 and SHA-256 of a file."""
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            md5.update(block)
            sha256.update(block)
            on_block()
    return md5.hexdigest(), sha256.hexdigest()
