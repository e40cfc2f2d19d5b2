"""One folder out of a tar.gz archive, whoever made the archive.

Nothing is made but regular files and folders, under names that are checked here and nowhere but in
the target. A link becomes a copy of the file of the archive that it points to. What is read is
counted before it is held, so no archive takes more disk or memory than its task can need.
"""

from __future__ import annotations

import gzip
import shutil
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, cast

from .errors import TaskError
from .reading import is_sound_name

BLOCK = 1 << 20
DAMAGES = (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile)
READ_AHEAD = 1 << 18
MOST_HEADER_BYTES = 1 << 20  # names and attributes of one member, and what is read ahead
MOST_DEPTH = 3  # <rate>/<split>/<file>
KINDS = {
    tarfile.CHRTYPE: "a character device",
    tarfile.BLKTYPE: "a block device",
    tarfile.FIFOTYPE: "a FIFO",
    tarfile.GNUTYPE_SPARSE: "a sparse file",
}


class UnpackError(TaskError):
    """An archive is damaged or holds what no task has: the archive, the member, and what it is."""


def unpack(
    archive: Path,
    top: str,
    target: Path,
    most_bytes: int,
    most_files: int,
    on_bytes: Callable[[int], None] = lambda _: None,
) -> None:
    """Write the folder `top` of an archive, wherever it lies in there, as the folder `target`.

    Parameters
    ----------
    archive
        A gzip-compressed tar.
    top
        Name of the folder; the archive's other files are left out.
    target
        Does not exist; after an error the caller deletes it.
    most_bytes, most_files
        What all files and folders of the archive may come to.
    on_bytes
        Called now and then with the bytes of the archive that are read.

    Raises
    ------
    UnpackError
        Not a tar.gz archive, damaged, or without `top`; with a path that is absolute or has
        ``..``, a link to something else than an earlier file of the folder, a device, a FIFO, a
        path that is there twice, or more than the task can have.
    OSError
        Of the disk.
    """
    with archive.open("rb") as raw:
        begin = raw.read(2)
        raw.seek(0)
        if begin != b"\x1f\x8b":
            raise UnpackError(
                f"{archive}: begins with {begin!r}, so it is not a tar.gz archive (a page of the"
                " server?)"
            )
        with gzip.GzipFile(fileobj=raw) as content:
            source = _Source(archive, content, lambda: on_bytes(raw.tell()))
            try:
                with tarfile.open(
                    fileobj=cast(IO[bytes], source), mode="r|", bufsize=READ_AHEAD
                ) as members:
                    _Unpacking(archive, top, target, most_bytes, most_files).run(members, source)
                source.allow(MOST_HEADER_BYTES)
                while source.read(BLOCK):  # to the end, where gzip's checksum is
                    pass
            except UnpackError:
                raise
            except RecursionError:
                raise UnpackError(f"{archive}: damaged (headers in headers)") from None
            except (*DAMAGES, ValueError, OverflowError) as error:
                raise UnpackError(f"{archive}: damaged ({error})") from None
    if not target.is_dir():
        raise UnpackError(f"{archive}: has no folder {top}; expected the archive of that task")


class _Source:
    """The decompressed archive, of which no more is given than was allowed."""

    def __init__(self, archive: Path, content: gzip.GzipFile, on_read: Callable[[], None]) -> None:
        self._archive = archive
        self._content = content
        self._on_read = on_read
        self._left = MOST_HEADER_BYTES

    def allow(self, count: int) -> None:
        self._left = count

    def read(self, size: int) -> bytes:
        block = self._content.read(size)
        self._left -= len(block)
        if self._left < 0:
            raise UnpackError(
                f"{self._archive}: a header or an end of more than {MOST_HEADER_BYTES} bytes;"
                " no task's archive has one"
            )
        self._on_read()
        return block


class _Unpacking:
    def __init__(
        self, archive: Path, top: str, target: Path, most_bytes: int, most_files: int
    ) -> None:
        self.archive = archive
        self.top = top
        self.target = target
        self.most_bytes = most_bytes
        self.most_files = most_files
        self.bytes = self.files = 0

    def run(self, members: tarfile.TarFile, source: _Source) -> None:
        source.allow(MOST_HEADER_BYTES)
        while (member := members.next()) is not None:
            self._count(member)
            inside = self._inside(member.name, member.name)
            source.allow(member.size + MOST_HEADER_BYTES)
            try:
                self._make(members, member, inside)
            except (FileExistsError, IsADirectoryError, NotADirectoryError):
                fault = "is there twice, or is a file and a folder"
                raise self._refusal(member.name, fault) from None
            source.allow(MOST_HEADER_BYTES)
            # The list of members is not needed, and grows with every one of them.
            members.members = []  # type: ignore[attr-defined]

    def _count(self, member: tarfile.TarInfo) -> None:
        self.files += 1
        self.bytes += max(0, member.size)
        if self.files > self.most_files:
            raise self._refusal(
                member.name, f"is one file too many; expected at most {self.most_files}"
            )
        if member.size < 0 or self.bytes > self.most_bytes:
            raise self._refusal(
                member.name,
                f"makes {self.bytes / 1e9:.3g} GB of an archive that should hold at most"
                f" {self.most_bytes / 1e9:.3g} GB",
            )

    def _inside(self, name: str, member: str) -> Path | None:
        """Where a path of the archive goes; None if it is not in the folder that is wanted."""
        windows = PureWindowsPath(name)
        if name.startswith(("/", "\\")) or windows.drive or windows.root:
            raise self._refusal(member, f"has the absolute path {name}")
        if "\0" in name or "\\" in name:
            raise self._refusal(member, "has a name with characters that no task has")
        parts = PurePosixPath(name).parts
        if ".." in parts:
            raise self._refusal(member, f"leads out of its folder by {name}")
        if self.top not in parts:
            return None
        own = parts[parts.index(self.top) + 1 :]
        if len(own) > MOST_DEPTH:
            raise self._refusal(member, f"is more than {MOST_DEPTH} folders deep")
        if not all(map(is_sound_name, own)):
            raise self._refusal(member, "has a name that no file of a task has")
        return self.target.joinpath(*own)

    def _make(self, members: tarfile.TarFile, member: tarfile.TarInfo, path: Path | None) -> None:
        """Make the file or folder of a member at `path`; only read it where that is None."""
        if member.islnk() or member.issym():
            self._copy(member, path)
            return
        if not (member.isdir() or member.isreg()) or member.issparse():
            kind = KINDS.get(member.type, f"a member of the type {member.type!r}")
            raise self._refusal(member.name, f"is {kind}")
        if hasattr(tarfile, "data_filter"):  # the standard library's own opinion, where it has one
            tarfile.data_filter(member, str(self.target))
        if member.isreg():
            content = members.extractfile(member)
            assert content is not None
            self._write(content, path)
        elif path is not None:
            path.mkdir(parents=True, exist_ok=True)

    def _write(self, content: IO[bytes], path: Path | None) -> None:
        if path is None:
            while content.read(BLOCK):
                pass
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            shutil.copyfileobj(content, file, BLOCK)

    def _copy(self, member: tarfile.TarInfo, path: Path | None) -> None:
        """Put a copy of what a link points to in its place."""
        base = "" if member.islnk() else str(PurePosixPath(member.name).parent)
        target = _normal(member.linkname, base)
        source = self._inside(target, member.name) if target else None
        if source is None or source == self.target or not source.is_file():
            raise self._refusal(
                member.name, f"is a link to {member.linkname}, not an earlier file of the folder"
            )
        if path is not None:
            self.bytes += source.stat().st_size
            if self.bytes > self.most_bytes:
                raise self._refusal(member.name, f"is a link, one of too many to {source.name}")
            with source.open("rb") as content:
                self._write(content, path)

    def _refusal(self, name: str, fault: str) -> UnpackError:
        return UnpackError(f"{self.archive}: refused: {name!r} {fault}")


def _normal(link: str, base: str) -> str:
    """The path that a link of the folder `base` points to; empty if it leads out of the archive."""
    if link.startswith("/"):
        return ""
    parts: list[str] = []
    for part in (*PurePosixPath(base).parts, *PurePosixPath(link).parts):
        if part != "..":
            parts.append(part)
        elif parts:
            parts.pop()
        else:
            return ""
    return "/".join(parts)
