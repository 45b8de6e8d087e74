"""The page, read by the parser of the standard library as a browser would."""

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from d3d import report
from d3d.prediction import Prediction
from d3d.report.command import main
from d3d.report.document.blocks import Block, Bold, Grid, Heading, Notes, Text
from d3d.report.page.page import html, parts, write_page
from d3d.report.page.readings import readings
from d3d.report.page.reference_row import confusion
from d3d.report.page.section import Picture, Section
from d3d.worst_clips import CAPTION, SIDE, write_pictures
from tests.report.conftest import Everything
from tests.report.fake_record import FakeRecord, point

EVIL = """<script>alert("x")</script> & 'y' <img src=x onerror=y> `a<b>c`"""
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (600).to_bytes(4, "big") + (300).to_bytes(4, "big")
EMPTY = {"meta", "img", "br", "link", "hr", "input"}


@dataclass
class Page(HTMLParser):
    """The tags of a page in order, each with its attributes, and its texts."""

    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def of(self, *names: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag in names]


def read(content: bytes) -> Page:
    page = Page()
    page.feed(content.decode("utf-8"))
    assert page.open == []
    return page


def test_everything_is_there_with_the_verdicts_first(everything: Everything, whole: bytes) -> None:
    text = "\n".join(read(whole).texts)
    places = [
        text.rindex(f"\n{part}\n") for part in ("Verdicts", "Tables and figures", "Reference rows", "Environment")
    ]
    assert places == sorted(places)
    assert all(document.title in text for document in everything.built.documents)
    assert "full > no_deformable" in text and "holds" in text
    assert "python orchestrate.py ablation=modules" in text
    assert "Backbone, 3.1" in text, "how the paper is read"


def test_what_is_decided_comes_before_what_is_not(whole: bytes) -> None:
    page = read(whole)
    outcomes = [each["class"] for each in page.of("strong") if each.get("class")]
    order = ["holds", "fails", "inconclusive", "not-tested"]
    assert len(set(outcomes)) > 1 and outcomes == sorted(outcomes, key=lambda each: order.index(each or ""))


def test_headings_descend_by_one_and_pictures_and_tables_are_described(whole: bytes) -> None:
    page = read(whole)
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(lower - upper <= 1 for upper, lower in pairwise(levels))
    assert len(page.of("img")) >= 3 and all(each["alt"] for each in page.of("img"))
    assert len(page.of("caption")) == len(page.of("table")) > 10
    assert all(each.get("scope") in ("row", "col") for each in page.of("th"))
    assert page.of("html")[0]["lang"] == "en"


def test_nothing_is_fetched_and_nothing_runs(whole: bytes) -> None:
    page = read(whole)
    assert not page.of("script", "link", "iframe", "object", "form")
    for _, attributes in page.tags:
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "href"):
            assert (attributes.get(name) or "#").startswith(("#", "data:image/png;base64,", "data:image/jpeg;base64,"))
    style = whole.decode().partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in style and "@import" not in style


def test_every_link_leads_to_a_part_of_the_page(whole: bytes) -> None:
    page = read(whole)
    places = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(places) == len(set(places))
    assert {each["href"] for each in page.of("a")} <= {f"#{place}" for place in places}
    text = whole.decode()
    assert '<a href="#artefact-table4">Table 4: attention modules</a>' in text, "beside each of its claims"
    assert '<h3 id="artefact-table4">' in text


def test_the_same_record_gives_the_same_bytes_wherever_it_is(
    everything: Everything, whole: bytes, tmp_path: Path
) -> None:
    copy = shutil.copytree(everything.record.storage, tmp_path / "copy")
    assert write_page(everything.built, copy).read_bytes() == whole
    assert str(everything.record.storage).encode() not in whole


def test_text_of_the_record_is_text() -> None:
    grid = Grid((EVIL, "n"), ((EVIL, Bold(EVIL)),), "lr")
    blocks: Sequence[Block | Picture] = [Text(EVIL), Notes((EVIL,)), Heading(EVIL), grid, Picture(PNG, EVIL)]
    page = read(html(EVIL, [Section(EVIL, blocks, [Section(EVIL, blocks)])]))
    assert not page.of("script") and len(page.of("img")) == 2
    assert page.of("img")[0]["alt"] == EVIL
    assert (page.of("img")[0]["width"], page.of("img")[0]["height"]) == ("220", "110"), "two inches wide"
    assert "a<b>c" in page.texts and len(page.of("code")) > 8


def test_a_label_of_anybodys_ablation_is_text(record: FakeRecord) -> None:
    record.rows({EVIL: 0.9}, title=EVIL, reference=EVIL, command=f"python orchestrate.py 'ablation={EVIL}'")
    page = read(write_page(report.build([], record.storage), record.storage).read_bytes())
    assert not page.of("script")
    assert "Worst clips" in "".join(page.texts) and "0108" in "".join(page.texts)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a `b` c", [(False, "a "), (True, "b"), (False, " c")]), ("a ` b", [(False, "a ` b")]), ("", [])],
)
def test_backticks_are_code_where_they_are_pairs(text: str, expected: list[tuple[bool, str]]) -> None:
    assert parts(text) == expected


def test_curves_are_drawn_of_the_epochs_that_are_recorded_and_a_test_of_the_same_weights_adds_nothing(
    record: FakeRecord,
) -> None:
    cell = record.finish("c1")
    for epoch in range(3):
        record.client.log_metric(cell, "train_loss", 2.0 - epoch, step=epoch)
        record.client.log_metric(cell, "eval_top1", 0.25 * epoch, step=epoch)
        record.client.log_metric(cell, "eval_verb_top1", 0.375 * epoch, step=epoch)
    record.finish("c2", trained="c1")
    record.launch([point("full", "c1")], "first", reference="full")
    record.launch([point("looked at", "c2")], "second", ablation="other", artefacts=["other"], reference="looked at")
    page = read(write_page(report.build([], record.storage), record.storage).read_bytes())
    said = [each["alt"] or "" for each in page.of("img")]
    numbers = "training loss 0.000, top-1 on the clips tested 0.500, verbs on the clips tested 0.750."
    assert any(numbers in alt for alt in said)
    assert page.texts.count("Learning curves") == 1


def test_actions_have_their_names_and_the_worst_clips_are_the_least_probable(record: FakeRecord) -> None:
    record.finish("c1", 0.9, names=True)
    record.launch([{"row": "full", "axes": {}, "seed": 0, "cell": "c1"}], reference="full")
    page = read(write_page(report.build([], record.storage), record.storage).read_bytes())
    text = " ".join(" ".join(page.texts).split())
    worst = text.partition("probability of the action (%) ")[2]
    assert worst.startswith("0119 act 14 act 0 (1×) 1 of 1 0.8 0118 act 13 act 14 (1×) 1 of 1 0.8")
    assert "by their number" not in text


def test_worst_clips_are_pictured_where_the_record_has_pictures(record: FakeRecord) -> None:
    kept = [f"{n:04d}" for n in range(119, 107, -1)]
    pictures = {clip: Image.new("RGB", (4 * SIDE, SIDE + CAPTION)) for clip in kept}
    for cell, clips in (("c1", kept), ("c2", [])):
        run = record.finish(cell, 0.9, names=True)
        if clips:
            record.file(run, "worst_clips.jpg").write_bytes(write_pictures(pictures))
    record.launch([point("full", cell, seed) for seed, cell in enumerate(("c1", "c2"))], reference="full")
    page = read(write_page(report.build([], record.storage), record.storage).read_bytes())
    shown = [each for each in page.of("img") if (each["src"] or "").startswith("data:image/jpeg")]
    assert len(shown) == len(kept)
    said = "Frames of clip 0119. True action: act 14 (0.8 %). Predicted action: act 0 (0.8 %)."
    assert shown[0]["alt"] == said
    assert "0119: act 14 (0.8 %), predicted act 0 (0.8 %)" in " ".join(" ".join(page.texts).split())


def test_confusion_counts_the_clips_of_all_seeds() -> None:
    first = [Prediction("a", 0, 0), Prediction("b", 0, 1), Prediction("c", 2, 1)]
    second = [Prediction("a", 0, 0), Prediction("b", 0, 0), Prediction("c", 2, 0)]
    assert confusion([first, second]).tolist() == [[3, 1, 0], [0, 0, 0], [1, 1, 0]]


def test_every_system_says_how_it_reads_its_paper() -> None:
    for system in ("d3d", "stgcn", "r2plus1d", "cast"):
        grid = readings(system)
        assert grid and grid.rows and {len(row) for row in grid.rows} == {len(grid.header)}
    assert readings("somebody.elses:Model") is None


def test_the_command_prints_the_page_and_an_empty_record_is_one_line(
    record: FakeRecord, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([f"storage={record.storage}"], "report") == 2
    out, err = capsys.readouterr()
    assert out == "" and len(err.splitlines()) == 1
    record.rows({"a": 0.9})
    assert main([f"storage={record.storage}"], "report") == 0
    assert Path(capsys.readouterr().out.splitlines()[0]) == record.storage / "tables" / report.PAGE
