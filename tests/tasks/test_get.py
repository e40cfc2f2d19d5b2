"""Published archives: servers that fail, archives that are not what they should be, and kills."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from archive_server import ArchiveServer, archive_of, archive_server, make_published

from benchmark.cli.main import main
from hear_plugins.weights import download as fetch
from tasks import get as get_module
from tasks.folder import TaskError, read_task
from tasks.get import get_tasks, official_archives
from tasks.unpack import UnpackError, unpack

ESC50 = "esc50-v2.0.0-full"
DCASE = "dcase2016_task2-hear2021-full"
CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "_PAUSE_S", 0.0)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Archives by name."""
    folder = tmp_path_factory.mktemp("published")
    made = [make_published(folder, "esc50", clips=8), make_published(folder, "dcase2016_task2")]
    return dict(map(archive_of, made))


@pytest.fixture
def server(published: dict[str, bytes]) -> Iterator[ArchiveServer]:
    with archive_server() as running:
        running.files = dict(published)
        yield running


def _name(folder: str) -> str:
    return f"hear2021-{folder}-48000.tar.gz"


def _get(server: ArchiveServer, into: Path, *names: str) -> list[Path]:
    return get_tasks(official_archives(names or ("esc50",), base_url=server.url), into)


def _left(into: Path) -> set[str]:
    """What is under the folder beside locks."""
    files = {str(path.relative_to(into)) for path in into.rglob("*") if path.is_file()}
    return {name for name in files if not name.endswith(".lock")}


def _command(server: ArchiveServer, into: Path, *words: str) -> list[str]:
    line = [sys.executable, "-m", "benchmark", "tasks", "get", "esc50"]
    return [*line, "--into", str(into), "--base-url", server.url, *words]


def test_tasks_are_got_checked_and_not_got_twice(server: ArchiveServer, tmp_path: Path) -> None:
    folders = _get(server, tmp_path, "dcase2016_task2", "esc50")
    assert [folder.name for folder in folders] == [DCASE, ESC50]
    assert read_task(folders[1]).rates() == (48000,)
    kept = _left(tmp_path / ".archives")
    assert kept == {f"{_name(DCASE)}.sha256", f"{_name(ESC50)}.sha256"}
    record = (tmp_path / ".archives" / f"{_name(ESC50)}.sha256").read_text()
    assert record.split() == [hashlib.sha256(server.files[_name(ESC50)]).hexdigest(), _name(ESC50)]
    asked = len(server.asked)
    assert _get(server, tmp_path, "dcase2016_task2", "esc50") == folders
    assert len(server.asked) == asked == 2


def test_the_command(
    server: ArchiveServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.status[_name(DCASE)] = 403
    line = ["tasks", "get", "dcase2016_task2", ESC50, "--into", str(tmp_path)]
    assert main([*line, "--base-url", server.url]) == 1
    out, err = capsys.readouterr()
    assert out.split() == [str(tmp_path / ESC50)]
    assert _name(DCASE) in err and "answers 403 Forbidden" in err and "--base-url" in err
    del server.status[_name(DCASE)]
    assert main([*line, "--base-url", server.url]) == 0
    assert capsys.readouterr().out.split() == [str(tmp_path / DCASE), str(tmp_path / ESC50)]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("esc51", "unknown task 'esc51' (did you mean esc50"),
        ("esc10", "esc10 was not published as an archive"),
        ("demo_pitch", "demo_pitch is built in"),
        ("esc50 --rate 16000", "archives are published at 48000 Hz"),
        ("", "name the tasks to get"),
        ("esc50 --all", "not both"),
    ],
)
def test_what_cannot_be_got(line: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tasks", "get", *line.split()]) == 2
    assert says in capsys.readouterr().err


def test_all_are_the_19_of_hear() -> None:
    archives = official_archives(())
    assert len({archive.name for archive in archives}) == 20  # beehive is in two folds
    assert "hear2021-nsynth_pitch-v2.2.3-50h-48000.tar.gz" in {a.name for a in archives}
    assert all(archive.unpacked_bytes > 1e6 for archive in archives)


@pytest.mark.parametrize("cuts", [[1000], [0, 70_000, 1]])
def test_a_cut_connection_is_resumed(
    server: ArchiveServer, tmp_path: Path, cuts: list[int]
) -> None:
    server.cuts = list(cuts)
    _get(server, tmp_path)
    firsts = [first or 0 for _, first in server.asked]
    assert firsts == [sum(cuts[:n]) for n in range(len(cuts) + 1)]
    assert read_task(tmp_path / ESC50)


def test_a_server_without_ranges_starts_over(server: ArchiveServer, tmp_path: Path) -> None:
    server.ranges, server.cuts = False, [50_000]
    _get(server, tmp_path)
    assert [first for _, first in server.asked] == [None, 50_000]
    assert read_task(tmp_path / ESC50)


def test_a_server_that_tells_no_length_alone(server: ArchiveServer, tmp_path: Path) -> None:
    server.heads = False
    _get(server, tmp_path)
    assert read_task(tmp_path / ESC50)
    del server.files[_name(DCASE)]
    with pytest.raises(TaskError, match="answers 404 Not Found, expected the archive"):
        _get(server, tmp_path, "dcase2016_task2")


def test_an_interrupted_call_is_continued_by_the_next(
    server: ArchiveServer, tmp_path: Path
) -> None:
    server.cuts = [20_000, 0, 0, 0]
    with pytest.raises(TaskError, match=f"{_name(ESC50)}: .*connection lost.* type the same line"):
        _get(server, tmp_path)
    assert _left(tmp_path) == {f".archives/{_name(ESC50)}.part"}
    _get(server, tmp_path)
    assert server.asked[-1] == (_name(ESC50), 20_000)


def test_other_bytes_than_at_first_sight(server: ArchiveServer, tmp_path: Path) -> None:
    (folder,) = _get(server, tmp_path)
    shutil.rmtree(folder)
    server.files[_name(ESC50)] = archive_of(make_published(tmp_path / "other", "esc50"))[1]
    with pytest.raises(TaskError, match=r"not the known archive \(its SHA-256 is .*, expected"):
        _get(server, tmp_path)
    assert not (tmp_path / ESC50).exists()
    assert _left(tmp_path / ".archives") == {f"{_name(ESC50)}.sha256"}


def test_other_bytes_than_published(server: ArchiveServer, tmp_path: Path) -> None:
    made = make_published(tmp_path / "other", "beehive_states_fold0", "full")
    server.files.update([archive_of(made)])
    with pytest.raises(TaskError, match="its MD5 is .*, expected f9e045f9b2ddf5643edc1143304c80aa"):
        _get(server, tmp_path / "into", "beehive_states_fold0")
    assert _left(tmp_path / "into") == set()


def test_a_part_of_another_archive_does_not_condemn_the_source(
    server: ArchiveServer, tmp_path: Path
) -> None:
    (folder,) = _get(server, tmp_path)
    shutil.rmtree(folder)
    (tmp_path / ".archives" / f"{_name(ESC50)}.part").write_bytes(b"x" * 1000)
    assert _get(server, tmp_path) == [folder]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (lambda whole: b"<html>sign in</html>", "begins with b'<h', so it is not a tar.gz archive"),
        (lambda whole: whole[: len(whole) // 2], "damaged"),
        (lambda whole: whole[:-4] + b"\0\0\0\0", "damaged"),  # gzip's own length
        (
            lambda whole: (
                whole[:60_000] + bytes(b ^ 255 for b in whole[60_000:60_100]) + whole[60_100:]
            ),
            "damaged",
        ),
        (lambda whole: gzip.compress(b"no tar at all" * 100), "damaged"),
        (lambda whole: gzip.compress(bytes(10240)), "has no folder esc50-v2.0.0-full"),
    ],
    ids=["page", "half", "length", "flipped", "no tar", "empty"],
)
def test_what_is_no_archive_is_not_kept(
    content: Callable[[bytes], bytes], says: str, server: ArchiveServer, tmp_path: Path
) -> None:
    server.files[_name(ESC50)] = content(server.files[_name(ESC50)])
    with pytest.raises(TaskError, match=f"{_name(ESC50)}.*{says}.*; nothing was kept"):
        _get(server, tmp_path)
    assert _left(tmp_path) == set()


def _without_a_clip(folder: Path) -> None:
    (folder / "48000" / "fold01" / "fold01_0.wav").unlink()


def _of_another_rate(folder: Path) -> None:
    (folder / "48000").rename(folder / "16000")


def _of_another_task(folder: Path) -> None:
    path = folder / "task_metadata.json"
    path.write_text(path.read_text().replace('"esc50"', '"esc51"'))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_without_a_clip, f"holds no whole task: {ESC50}/48000/fold01/fold01_0.wav: audio is mis"),
        (_of_another_rate, r"holds esc50 at \(16000,\) Hz, expected esc50 at 48000 Hz"),
        (_of_another_task, "holds esc51 at"),
    ],
)
def test_an_archive_of_something_else(
    change: Callable[[Path], None], says: str, server: ArchiveServer, tmp_path: Path
) -> None:
    made = make_published(tmp_path / "other", "esc50")
    change(made)
    server.files.update([archive_of(made)])
    with pytest.raises(TaskError, match=f"{says}.*; nothing was kept"):
        _get(server, tmp_path / "into")
    assert _left(tmp_path / "into") == set()


def test_an_archive_put_there_by_hand(server: ArchiveServer, tmp_path: Path) -> None:
    path = tmp_path / ".archives" / _name(ESC50)
    path.parent.mkdir()
    path.write_bytes(b"\x1f\x8b no gzip")
    with pytest.raises(TaskError, match=f"damaged.*; delete {path} and type the same line"):
        _get(server, tmp_path)
    path.write_bytes(server.files[_name(ESC50)])
    _get(server, tmp_path)
    assert server.asked == [] and not path.exists()


def test_a_folder_of_archives_instead_of_a_server(
    published: dict[str, bytes], tmp_path: Path
) -> None:
    (tmp_path / _name(ESC50)).write_bytes(published[_name(ESC50)])
    archives = official_archives(["esc50"], base_url=tmp_path.as_uri())
    assert get_tasks(archives, tmp_path / "into") == [tmp_path / "into" / ESC50]


def test_a_full_disk_is_told_before_anything_is_begun(
    server: ArchiveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=10**8)
    monkeypatch.setattr(get_module.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(TaskError, match=r"take 1.0 GB, but the disk has 0.1 GB left; nothing was"):
        _get(server, tmp_path)
    assert server.asked == []


@pytest.mark.skipif(os.name != "posix", reason="limits of processes are POSIX")
def test_a_disk_that_becomes_full(server: ArchiveServer, tmp_path: Path) -> None:
    command = ["sh", "-c", 'ulimit -f 100; exec "$@"', "sh", *_command(server, tmp_path)]
    ended = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    assert ended.returncode == 1
    assert "no space left on the disk" in ended.stderr and "Traceback" not in ended.stderr
    part = tmp_path / ".archives" / f"{_name(ESC50)}.part"
    assert _left(tmp_path) == {str(part.relative_to(tmp_path))}
    size = part.stat().st_size
    _get(server, tmp_path)
    assert size > 0 and server.asked[-1] == (_name(ESC50), size)


def test_a_disk_that_becomes_full_while_unpacking(
    server: ArchiveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("tasks.unpack.shutil.copyfileobj", full)
        with pytest.raises(TaskError, match="no space left on the disk"):
            _get(server, tmp_path)
    assert _left(tmp_path) == {f".archives/{_name(ESC50)}"}
    _get(server, tmp_path)
    assert len(server.asked) == 1


def test_two_processes_get_one_task_once(server: ArchiveServer, tmp_path: Path) -> None:
    server.slow = 0.02
    both = [
        subprocess.Popen(
            _command(server, tmp_path), cwd=CHECKOUT, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=300)[0].split() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert said == [[str(tmp_path / ESC50)]] * 2
    assert len(server.asked) == 1


def test_killed_and_called_again(server: ArchiveServer, tmp_path: Path) -> None:
    server.slow = 0.005
    made = make_published(tmp_path / "large", "esc50", clips=80)  # several of the blocks of a fetch
    server.files.update([archive_of(made)])
    part = tmp_path / ".archives" / f"{_name(ESC50)}.part"
    process = subprocess.Popen(_command(server, tmp_path), cwd=CHECKOUT)
    try:
        deadline = time.monotonic() + 30
        while not (part.exists() and part.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    server.slow = 0.0
    assert not (tmp_path / ESC50).exists()
    # As if it had been killed while it unpacked.
    host = socket.gethostname()
    stale = tmp_path / f".{ESC50}.{host}-{process.pid}.part"
    (stale / "48000").mkdir(parents=True)
    size = part.stat().st_size
    assert _get(server, tmp_path) == [tmp_path / ESC50]
    assert server.asked[-1] == (_name(ESC50), size)
    assert not stale.exists()


def test_a_folder_that_is_in_the_way(server: ArchiveServer, tmp_path: Path) -> None:
    made = make_published(tmp_path, "esc50")
    (made / "48000").rename(made / "16000")
    with pytest.raises(TaskError, match=f"{ESC50}: is there already, without 48000 Hz"):
        _get(server, tmp_path)


# --- hostile archives -----------------------------------------------------------------------------


def _member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> object:
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.size = kind, link, size
    return member


def _pack(path: Path, *members: object, tail: bytes = b"") -> Path:
    """An archive with `top/a.wav` and then these members, their content zeros."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for member in (_member("tasks/top/a.wav", size=100), *members):
            assert isinstance(member, tarfile.TarInfo)
            archive.addfile(member, io.BytesIO(bytes(member.size)) if member.size else None)
    path.write_bytes(gzip.compress(content.getvalue() + tail, 1))
    return path


def _unpack(archive: Path, **limits: int) -> None:
    target = archive.parent / "target"
    unpack(archive, "top", target, **{"most_bytes": 10**6, "most_files": 10} | limits)


HOSTILE = {
    "absolute": ([_member("/tasks/top/b.wav")], "absolute path /tasks/top/b.wav"),
    "drive": ([_member("C:/top/b.wav")], "absolute path C:/top/b.wav"),
    "backslash": ([_member("top/..\\..\\b.wav")], "characters that no task has"),
    "dots": ([_member("top/../../b.wav")], r"leads out of its folder by top/../../b.wav"),
    "dots before": ([_member("../top/b.wav")], "leads out of its folder"),
    "symlink out": ([_member("top/b.wav", tarfile.SYMTYPE, "/etc/passwd")], "link to /etc/passwd"),
    "symlink up": ([_member("top/b.wav", tarfile.SYMTYPE, "../../../../x")], "is a link to"),
    "symlink to a folder": ([_member("tasks/top/b", tarfile.SYMTYPE, "../top")], "is a link to"),
    "symlink to nothing": ([_member("tasks/top/b", tarfile.SYMTYPE, "c")], "not an earlier file"),
    "hard link out": ([_member("tasks/top/b.wav", tarfile.LNKTYPE, "/etc/passwd")], "is a link"),
    "hard link up": ([_member("tasks/top/b.wav", tarfile.LNKTYPE, "../top/a.wav")], "is a link"),
    "character device": ([_member("top/b", tarfile.CHRTYPE)], "is a character device"),
    "block device": ([_member("top/b", tarfile.BLKTYPE)], "is a block device"),
    "fifo": ([_member("top/b", tarfile.FIFOTYPE)], "is a FIFO"),
    "unknown kind": ([_member("top/b", b"V")], "of the type b'V'"),
    "twice": ([_member("tasks/top/a.wav", size=1)], "is there twice"),
    "file as folder": ([_member("tasks/top/a.wav/b", size=1)], "is there twice, or is a file and"),
    "folder over file": ([_member("tasks/top/a.wav", tarfile.DIRTYPE)], "is there twice, or is"),
    "large": ([_member("top/b", size=2_000_000)], "0.002 GB of an archive that should hold at"),
    "large beside": ([_member("else/b", size=2_000_000)], "that should hold at most 0.001 GB"),
    "many": ([_member(f"top/{n}") for n in range(20)], "one file too many; expected at most 10"),
    "long name": ([_member("top/" + "a" * 3_000_000)], "a header or an end of more than"),
}


@pytest.mark.parametrize(("members", "says"), HOSTILE.values(), ids=list(HOSTILE))
def test_hostile_archives_are_refused(members: list[object], says: str, tmp_path: Path) -> None:
    archive = _pack(tmp_path / "a.tar.gz", *members)
    with pytest.raises(UnpackError, match=says) as raised:
        _unpack(archive)
    assert "a.tar.gz: " in str(raised.value) and "\n" not in str(raised.value)
    assert {path.name for path in tmp_path.iterdir()} <= {"a.tar.gz", "target"}
    assert {path.name for path in (tmp_path / "target").iterdir()} <= {"a.wav"} | {
        str(n) for n in range(20)
    }


def test_a_bomb_after_the_end(tmp_path: Path) -> None:
    with pytest.raises(UnpackError, match="an end of more than"):
        _unpack(_pack(tmp_path / "a.tar.gz", tail=bytes(50_000_000)))


def test_links_within_become_files_and_others_are_left_out(tmp_path: Path) -> None:
    archive = _pack(
        tmp_path / "a.tar.gz",
        _member("LICENSE.txt", size=600_000),
        _member("tasks/top/b.wav", tarfile.LNKTYPE, "tasks/top/a.wav"),
        _member("tasks/top/c/d.wav", tarfile.SYMTYPE, "../a.wav"),
    )
    _unpack(archive)
    target = tmp_path / "target"
    files = [target / name for name in ("a.wav", "b.wav", "c/d.wav")]
    assert sorted(path for path in target.rglob("*") if path.is_file()) == files
    assert all(not path.is_symlink() and path.read_bytes() == bytes(100) for path in files)
    assert files[1].stat().st_nlink == 1


def test_links_do_not_multiply_without_limit(tmp_path: Path) -> None:
    links = [_member(f"tasks/top/{n}", tarfile.LNKTYPE, "tasks/top/a.wav") for n in range(8)]
    with pytest.raises(UnpackError, match="is a link, one of too many"):
        _unpack(_pack(tmp_path / "a.tar.gz", *links), most_bytes=300)


@pytest.mark.parametrize(
    "url",
    ["mirror", "htp://mirror.org", "http://", "http://[::1", "http://a:b/", "file:", "http://a b/"],
)
def test_a_base_url_that_is_none(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tasks", "get", "esc50", "--base-url", url]) == 2
    err = capsys.readouterr().err
    assert f"--base-url is {url!r}; expected the URL" in err and "Traceback" not in err


@pytest.mark.parametrize("content", [b"\xff\xfe" * 40, b"", b"0" * 5, b"\0" * 64, b"a" * 100_000])
def test_a_record_that_is_none(server: ArchiveServer, tmp_path: Path, content: bytes) -> None:
    record = tmp_path / ".archives" / f"{_name(ESC50)}.sha256"
    record.parent.mkdir()
    record.write_bytes(content)
    with pytest.raises(TaskError, match=r"sha256: (holds no SHA-256; delete it|has more than)"):
        _get(server, tmp_path)


@pytest.mark.parametrize("suffix", ["", ".part", ".sha256"])
def test_what_is_no_file_is_in_the_way(server: ArchiveServer, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / ".archives" / (_name(ESC50) + suffix)
    path.parent.mkdir()
    os.mkfifo(path)
    with pytest.raises(TaskError, match=r"is no regular file; move it away"):
        _get(server, tmp_path)


def _archive(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


DEEP_JSON = b"[" * 100_000 + b"]" * 100_000
ROWS = b"idx,label\n" + b"".join(b"%d,l%d\n" % (i, i) for i in range(3_000_000))


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({f"{ESC50}/task_metadata.json": DEEP_JSON}, "nested too deeply"),
        ({f"{ESC50}/{'a/' * 3000}b": b""}, "folders deep"),
        ({f"{ESC50}/{'a' * 300}": b""}, "has a name that no file of a task has"),
        ({f"{ESC50}/a\x1b[2J": b""}, "has a name that no file of a task has"),
        ({f"{ESC50}/\udcff": b""}, "has a name that no file of a task has"),
    ],
)
def test_archives_of_depth_and_odd_names(
    server: ArchiveServer, tmp_path: Path, members: dict[str, bytes], says: str
) -> None:
    server.files[_name(ESC50)] = _archive(members)
    with pytest.raises(TaskError) as refused:
        _get(server, tmp_path)
    line = str(refused.value)
    assert says in line and "\n" not in line and "\x1b" not in line and line.encode()
    assert _left(tmp_path) == set()


@pytest.mark.timeout(60)
def test_an_archive_with_millions_of_labels(server: ArchiveServer, tmp_path: Path) -> None:
    task = make_published(tmp_path / "made", "esc50", clips=8)
    (task / "labelvocabulary.csv").write_bytes(ROWS)
    name, content = archive_of(task)
    server.files[name] = content
    with pytest.raises(TaskError, match=r"labelvocabulary.csv: has more than 4194304 bytes"):
        _get(server, tmp_path / "into")


def test_headers_in_headers(tmp_path: Path) -> None:
    """Each long name is the name of the next, which tarfile reads by calling itself."""
    header = tarfile.TarInfo("top/a")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 6
    nested = header.tobuf(tarfile.GNU_FORMAT) + b"top/a\0".ljust(tarfile.BLOCKSIZE, b"\0")
    archive = tmp_path / "a.tar.gz"
    archive.write_bytes(gzip.compress(5000 * nested))
    with pytest.raises(UnpackError, match=r"a\.tar\.gz: damaged \(headers in headers\)"):
        unpack(archive, "top", tmp_path / "top", 1 << 20, 100)
