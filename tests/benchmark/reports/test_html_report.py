"""The report: what the page has, for whom it is readable, and that it works in a browser."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from chromium import Chromium
from made_up_records import made_up, made_up_json

from benchmark.cli.main import main
from benchmark.records.record import Record, write_record

HOSTILE = "</script><img src=x onerror=alert(1)>$x_{$&\x07"
VOID = {"meta", "link", "img", "input", "br", "hr"}


class Page(HTMLParser):
    """Elements with their attributes, and whether all were closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> at {self.getpos()}"

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def keep(out: Path, record: Record, *, right: float = 0.5, seed: int = 0) -> None:
    """Write a record, and predictions of 40 clips of 4 classes of which a share is right."""
    write_record(out / "records" / record.unit.record, record)
    folder = out / "evaluations" / record.unit.folder
    folder.mkdir(parents=True)
    chance = np.random.default_rng(seed)
    target = np.eye(4, dtype=np.uint8)[np.arange(40) % 4]
    said = np.where(np.arange(40) < 40 * right, np.arange(40) % 4, (np.arange(40) + 1) % 4)
    prediction = 0.1 + 0.6 * np.eye(4)[said] + 0.01 * chance.random((40, 4))
    np.savez(
        folder / "test.predictions.npz",
        prediction=prediction.astype(np.float32),
        target=target,
        clip=np.array([f"clip-{n:02d}.wav" for n in range(40)]),
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three models on two tasks: one kept predictions, one hostile name, one unreadable record."""
    out = tmp_path_factory.mktemp("run")
    for place, (module, right) in enumerate((("crepe", 0.5), ("logmel", 0.75), ("byol_a", 0.25))):
        name = HOSTILE if module == "byol_a" else ""
        kept = made_up(module, "esc50-v2.0.0-full", {"top1_acc": [right]}, name=name)
        keep(out, kept, right=right, seed=place)
        speech = {"domain": "speech"}
        other = made_up(
            module, "tfds_crema_d-1.0.0-full", {"top1_acc": [0.3 + right / 2, 0.4]},
            name=name, task=speech,
        )  # fmt: skip
        write_record(out / "records" / other.unit.record, other)
    (out / "records" / "broken.json").write_text('{"schema": 2, "<b>": ')
    assert main(["report", "--out", str(out), "--map", "pca"]) == 0
    return out


@pytest.fixture
def text(run: Path) -> str:
    return (run / "report.html").read_text(encoding="utf-8")


def test_the_page_needs_nothing_else(text: str) -> None:
    page = Page(text)
    for tag, attributes in page.elements:
        for key in ("src", "href"):
            if key in attributes:
                assert str(attributes[key]).startswith(("data:", "#")), (tag, key)
    assert "default-src 'none'" in str(page.all("meta"))


def test_names_are_escaped(text: str) -> None:
    assert text.count("<script") == 1 and "<img src=x" not in text and "<b>" not in text
    assert "&lt;/script&gt;&lt;img src=x" in text


def test_tables_and_pictures_can_be_heard(text: str) -> None:
    page = Page(text)
    assert all(head["scope"] in ("col", "row") for head in page.all("th"))
    assert len(page.all("caption")) == len(page.all("table")) > 5
    pictures = page.all("img")
    assert pictures and all(len(str(picture["alt"])) > 30 for picture in pictures)
    regions = [each for each in page.all("div") if each.get("role") == "region"]
    assert regions and all(each["tabindex"] == "0" and each["aria-label"] for each in regions)


def test_each_part_is_there(text: str) -> None:
    titles = re.findall(r"<figcaption>([^<]*)", text)
    for expected in (
        "Critical difference (Demsar 2006)",
        "Speed against quality",
        "F1 by class, hardest first",
        "Confusion matrix of logmel",
        "Calibration",
    ):
        assert expected in titles
    assert "Published scores on esc50" in text
    # Clips 30 to 39 are wrong by all three models, 20 to 29 by two of them.
    hard = text.partition("<caption>Clips that most models get wrong")[2].partition("</table>")[0]
    rows = re.findall(r'<th scope="row">(clip-\d+)\.wav</th>.*?(\d) of 3', hard)
    assert rows == [(f"clip-{n}", "3") for n in range(30, 40)] + [
        (f"clip-{n}", "2") for n in range(20, 30)
    ]


def test_what_is_missing_is_said(text: str) -> None:
    assert "1 files of records could not be read" in text and "broken.json: not JSON" in text
    assert text.count("there are no predictions") == 3  # of the other task
    assert "no embeddings are there that tell; numbers instead" in text


@pytest.mark.parametrize(
    ("content", "expected"),
    [(None, "not a folder of result records"), ("", "no record to report on"),
     ("{", "no record to report on")],
)  # fmt: skip
def test_a_folder_without_records_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None, expected: str
) -> None:
    if content is not None:
        (tmp_path / "records").mkdir()
    if content:
        (tmp_path / "records" / "a.json").write_text(content)
    assert main(["report", "--out", str(tmp_path)]) == 2
    assert expected in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "report.html").exists()


def test_damaged_predictions_are_said_and_the_rest_is_made(tmp_path: Path) -> None:
    record = made_up()
    keep(tmp_path, record)
    file = tmp_path / "evaluations" / record.unit.folder / "test.predictions.npz"
    file.write_bytes(b"no archive")
    assert main(["report", "--out", str(tmp_path)]) == 0
    assert "test.predictions.npz is damaged" in (tmp_path / "report.html").read_text()


def test_players_stop_at_their_limit(tmp_path: Path) -> None:
    import soundfile

    from benchmark.reports.html.audio import Players
    from tasks.folder import TaskFolder

    folder = tmp_path / "16000" / "test"
    folder.mkdir(parents=True)
    tone = np.sin(np.arange(16000) / 8).astype(np.float32)
    soundfile.write(folder / "a.wav", tone, 16000)
    task = TaskFolder(tmp_path, {"splits": ["test"]}, ("a",))
    players = Players(1_000_000)
    assert players.clip(task, "test", "a.wav").startswith("data:audio/mpeg;base64,")
    assert 0 < players.used <= players.limit and not players.left_out
    none = Players(10)
    assert none.clip(task, "test", "a.wav") == "" and none.left_out == 1


def test_events_are_a_piano_roll(tmp_path: Path) -> None:
    record = made_up("crepe", "dcase2016_task2-hear2021-full", {"event_onset_200ms_fms": [0.5]})
    write_record(tmp_path / "records" / record.unit.record, record)
    evaluation = tmp_path / "evaluations" / record.unit.folder
    embeddings = tmp_path / "embeddings" / record.unit.embedding.folder
    events = {"a.wav": [{"label": "knock", "start": 100.0, "end": 900.0}], "b.wav": []}
    for folder, name in ((evaluation, "test.events.json"), (embeddings, "test.json")):
        folder.mkdir(parents=True)
        (folder / name).write_text(json.dumps(events))
    assert main(["report", "--out", str(tmp_path)]) == 0
    page = (tmp_path / "report.html").read_text()
    assert (
        "True and predicted events of a.wav" in page and "1 true ones; predicted: crepe 1" in page
    )


def column(number: int) -> str:
    return (
        "[...document.querySelectorAll('#score-table tbody tr:not([hidden])')]"
        f".map((row) => row.cells[{number}].textContent)"
    )


@pytest.fixture(scope="module")
def browser(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with Chromium(tmp_path_factory.mktemp("profile")) as chromium:
        chromium.look(1400)
        chromium.open(run / "report.html")
        yield chromium


def test_sorting_works_by_mouse_and_keyboard(browser: Chromium) -> None:
    head = "document.querySelectorAll('#score-table thead th')[2]"
    browser.run(f"{head}.querySelector('button').click()")
    scores = [float(score) for score in browser.run(column(2))]
    assert scores == sorted(scores, reverse=True) and len(scores) == 6
    assert browser.run(f"{head}.getAttribute('aria-sort')") == "descending"
    browser.run(f"{head}.querySelector('button').focus()")
    browser.press("Enter", 13)
    assert [float(score) for score in browser.run(column(2))] == sorted(scores)
    assert browser.run(f"{head}.getAttribute('aria-sort')") == "ascending"
    assert browser.complaints == []


def test_filters_work(browser: Chromium) -> None:
    choose = "(name, value) => { form.elements[name].value = value;"
    choose += " form.dispatchEvent(new Event('input')); }"
    browser.run(f"({choose})('domain', 'speech')")
    assert browser.run(column(1)) == ["tfds_crema_d"] * 3
    assert browser.run("document.getElementById('shown').textContent") == "3 of 6 scores"
    browser.run(f"({choose})('text', 'LOGmel')")
    assert browser.run(column(0)) == ["logmel"]
    browser.run("form.reset(); new Promise((done) => setTimeout(done, 50))")
    assert len(browser.run(column(0))) == 6
    assert browser.complaints == []


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [390, 1400])
def test_it_is_readable_at_each_width(
    browser: Chromium, run: Path, width: int, dark: bool, tmp_path: Path
) -> None:
    browser.look(width, dark=dark)
    browser.open(run / "report.html")
    browser.run("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert browser.run("document.documentElement.scrollWidth") <= width
    loaded = "[...document.images].every((one) => one.complete && one.naturalWidth > 0)"
    browser.run("document.querySelectorAll('img').forEach((one) => { one.loading = 'eager'; })")
    browser.run("Promise.all([...document.images].map((one) => one.decode()))")
    assert browser.run(loaded)
    paper = browser.run("getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(22, 22, 24)" if dark else "rgb(255, 255, 255)")
    (tmp_path / f"report-{width}.png").write_bytes(browser.picture())
    assert browser.complaints == []


@pytest.mark.long
def test_thirty_models_on_thirty_tasks_open_at_once(tmp_path: Path) -> None:
    for task in range(30):
        for model in range(30):
            data = made_up_json(
                f"model_{model:02d}",
                f"task_{task:02d}-v1-full",
                {"top1_acc": [(model + task) / 60, (model + task + 1) / 61]},
                task={"domain": ("speech", "environment", "music")[task % 3]},
            )
            path = tmp_path / "records" / f"{task}-{model}.json"
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(data))
    assert main(["report", "--out", str(tmp_path)]) == 0
    page = tmp_path / "report.html"
    assert page.stat().st_size < 10e6
    with Chromium(tmp_path / "profile") as chromium:
        chromium.look(1400)
        assert min(chromium.open(page) for _ in range(5)) < 1.0
        assert chromium.complaints == []
