"""Every artefact, from one record."""

import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import matplotlib
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text as TextOfFigure
from scipy.stats import binomtest

from d3d import report
from d3d.report import ARTEFACTS
from d3d.report.published import Method
from tests.report.conftest import ENDS, PICTURES, Everything
from tests.report.fake_record import CLASSES, CLIPS, GRID, FakeRecord, cell_of, point, top1_of

FIGURES = ("figure7a", "figure7b", "figureA1")
NUMBERS = ["top1_mean", "top1_std", "top1_low", "top1_high", "clips"]
REFERENCE = ["to_reference", "to_reference_low", "to_reference_high", "p_value"]
ATTENTION = ("attention", "further_clips")  # kinds that have tests of their own, as CAST has
MADE = [*(name for name, each in ARTEFACTS.items() if each.kind not in ATTENTION and "cast" not in name), "depth"]
MADE_BY = ["preset", "data", "overrides", "launch", "code"]
ROW_COLUMNS = ["seeds", *NUMBERS, "mean_class_accuracy", "published", "difference", *REFERENCE, "cells", *MADE_BY]


def section(text: str) -> str:
    """The verdict of a document."""
    return text.partition("## Verdict")[2]


def test_all_that_the_record_can_make_is_made_in_every_format(everything: Everything) -> None:
    expected = []
    for name in MADE:
        expected += [f"{name}{end}" for end in (*ENDS, *(PICTURES if name in FIGURES else ()))]
    assert [path.name for path in everything.built.paths] == expected
    folder = everything.record.storage / "tables"
    made = [path for path in folder.glob("*/*") if path.parent.name != "latest"]
    assert sorted(path.name for path in made) == sorted(expected)
    assert set(everything.record.latest) == {name for name in expected if not name.startswith("table5")}, "a cell lacks"
    assert set(everything.built.latest) == {folder / "latest" / name for name in everything.record.latest}


@pytest.mark.parametrize("name", ["figure7a", "table4", "tableA1", "table3"])
def test_nothing_finished_still_writes_every_file(record: FakeRecord, name: str) -> None:
    axes = {"model.temporal_window": 4, "model.temporal_stride": 2, "measurement.module": "joint"}
    record.launch([point("full", "c1", axes=axes)], artefacts=[name], reference="full", data="penn_action, files")
    built = report.build([name], record.storage)
    assert len(built.missing) == 1
    assert all(path.stat().st_size for path in built.paths)
    assert "—" in record.made(f"{name}.md").read_text()


def test_every_document_ends_with_a_verdict(everything: Everything) -> None:
    for name in MADE:
        headings = re.findall(r"^#+ .*", everything.text(f"{name}.md"), re.MULTILINE)
        assert headings[-1] == "## Verdict"
        assert len(headings) == 2


def test_the_one_missing_row_is_named_with_the_command_that_fills_it(everything: Everything) -> None:
    (line,) = everything.built.missing
    assert line.startswith("single, seeds 0, 1, 2: not finished (cells ")
    assert line.endswith(f"; run: python orchestrate.py ablation=tokens storage={everything.record.storage}")
    text = everything.text("table5.md")
    assert "| single | Single token | 97.0 | — | — | — | — | — |" in text
    assert "- — not finished: single (seed 0, 1, 2). To fill: `python orchestrate.py ablation=tokens`" in text
    frame = everything.csv("table5").set_index("row")
    assert frame.loc["single", [*NUMBERS, "difference", *REFERENCE]].isna().all()
    assert frame.loc["single", "seeds"] == 0
    assert "| cross > single > none | not tested | — |" in section(text)


def test_published_measured_and_difference_stand_side_by_side(everything: Everything) -> None:
    frame = everything.csv("table4").set_index("row")
    assert list(frame.columns) == ROW_COLUMNS
    assert list(frame.published) == [94.8, 97.9, 98.2, 98.5, 99.7]
    assert frame.top1_mean["full"] == pytest.approx(100 * 103 / CLIPS, abs=0.005)
    assert frame.difference["full"] == pytest.approx(frame.top1_mean["full"] - 99.7, abs=0.011)
    assert math.isnan(frame.p_value["full"])
    assert frame.p_value["no_deformable"] < 0.05 < frame.p_value["no_temporal"]
    assert "| full | Ours | 99.7 | **85.83 ± 0.83** | −13.87 |" in everything.text("table4.md")


def test_claims_are_judged(everything: Everything) -> None:
    verdict = section(everything.text("table4.md"))
    assert "Published ordering: full > no_temporal > no_joint > deformable_only > no_deformable." in verdict
    assert "Kendall's τ between them, over 5 rows, = 1.00." in verdict
    assert "Of 3 claims — holds: 1; fails: 1; inconclusive: 1." in verdict
    assert "| full > no_deformable | holds | < 0.0001 |" in verdict
    assert "| deformable_only > no_joint | fails | < 0.0001 |" in verdict
    assert "| full > no_temporal | inconclusive |" in verdict


def test_the_row_that_sees_no_pose_says_so(everything: Everything) -> None:
    for kind in ("md", "tex"):
        text = everything.text(f"table4.{kind}")
        assert len(re.findall(r"only \[a\]", text)) == 1
        assert "[a] without joint and temporal" in text
    assert "RGB-only model" in everything.text("table4.md")


def test_the_row_without_deformable_attention_says_where_its_pixels_come_from(record: FakeRecord) -> None:
    for launch, frames in (("1a", "files"), ("2b", "rendered")):
        record.client.log_param(record.finish(launch), "data.frames", frames)
        points = [point("no_deformable", launch), point("deformable_only", launch)]
        record.launch(points, launch, ablation="modules", artefacts=["table4"], data=f"penn_action, {frames}")
        report.build(["table4"], record.storage, launch=launch)
    files, rendered = (record.made("table4.md", launch).read_text() for launch in ("1a", "2b"))
    assert "| no_deformable |" in files and "| deformable_only [a] |" in files and "- [b]" not in files
    assert "| no_deformable [a] |" in rendered and "| deformable_only [b] |" in rendered
    assert "- [a] this row is not a pose-only model" in rendered and "- [b] without joint and temporal" in rendered


def test_a_row_that_sees_no_pixels_says_so(record: FakeRecord) -> None:
    run = record.finish("1a")
    for key, value in {"data.frames": "rendered", "model.pose_features": "False"}.items():
        record.client.log_param(run, key, value)
    record.launch([point("no_deformable", "1a")], ablation="modules", artefacts=["table4"])
    report.build(["table4"], record.storage)
    text = record.made("table4.md").read_text()
    assert "this row is a pose-only model" in text and "not a pose-only" not in text


def test_every_document_says_its_command_and_what_it_changed(record: FakeRecord) -> None:
    """A table of rows, a figure, a comparison and a table of costs."""
    command = "python orchestrate.py ablation=a model.norm=pre storage=/secret"
    axes = {"training.frames": 12, "measurement.module": "joint"}
    artefacts = ["depth", "figure7b", "table3", "tableA1"]
    record.launch(
        [point("full", "c1", axes=axes)], data="penn_action, files", artefacts=artefacts, command=command,
        overrides=["model.norm=pre"],
    )  # fmt: skip
    report.build([], record.storage)
    for name in artefacts:
        text = record.made(f"{name}.md").read_text()
        assert "preset quick with model.norm=pre" in text, name
        assert text.count("Made by `python orchestrate.py ablation=a model.norm=pre`.") == 1, name


def test_every_table_of_rows_says_what_chance_is(everything: Everything) -> None:
    for name in ("table4", "figure7a", "figureA1", "depth", "table3"):
        assert f"n {CLIPS} clips chance is 6.7 %, the majority class 6.7 %." in everything.text(f"{name}.md"), name


def test_how_far_deformable_attention_moved_is_a_note(record: FakeRecord) -> None:
    run = record.finish("c1")
    for axis in "tyx":
        record.client.log_metric(run, f"moved_{axis}", 0.25)
    record.launch([point("full", "c1")])
    report.build([], record.storage)
    assert "along t, y and x: full 0.25, 0.25, 0.25." in record.made("depth.md").read_text()


def test_figure_7a_has_its_columns_and_a_row_for_each_window_and_stride(everything: Everything) -> None:
    frame = everything.csv("figure7a")
    assert list(frame.columns) == ["window", "stride", "seeds", *NUMBERS, "cells", *MADE_BY]
    assert list(zip(frame.window, frame.stride, strict=True)) == GRID
    assert len(frame) == 25
    for row, (window, stride) in zip(frame.itertuples(), GRID, strict=True):
        correct = round(top1_of(window, stride) * CLIPS)
        interval = binomtest(correct, CLIPS).proportion_ci(method="wilson")
        low, high = interval.low, interval.high
        assert row.top1_mean == pytest.approx(100 * correct / CLIPS, abs=0.005)
        assert (row.top1_low, row.top1_high) == pytest.approx((100 * low, 100 * high), abs=0.005)
        assert (row.seeds, row.clips, row.cells) == (1, CLIPS, cell_of(window, stride))
    assert frame.top1_std.isna().all()


def test_figure_7a_shows_the_best_and_what_shares_a_training(everything: Everything) -> None:
    text = everything.text("figure7a.md")
    assert "| 4 | 71.67 | **75.00** | 71.67 | 68.33 |  |  |  |  |" in text
    assert "| 8 | 65.00 | 68.33 | 71.67 | **75.00** | **75.00** | **75.00** | **75.00** |  |" in text
    assert "window 8, stride 4, 5, 6, 8; window 10, stride 2, 3, 4, 5, 6, 8, 10." in text
    assert "One seed" in text
    assert "but it claims: for every window the best stride is about half of it." in section(text)


@pytest.mark.parametrize(("name", "axis"), [("figure7b", "training.frames"), ("figureA1", "evaluation.frames")])
def test_curves_are_in_the_order_of_their_axis(everything: Everything, name: str, axis: str) -> None:
    frame = everything.csv(name)
    assert list(frame.columns) == ["row", axis, *ROW_COLUMNS]
    assert list(frame[axis]) == [4, 8, 12, 16]
    assert list(frame.row) == [f"frames {n}" for n in (4, 8, 12, 16)]
    assert frame.published.isna().all()
    verdict = section(everything.text(f"{name}.md"))
    assert "Measured ordering: frames 12 > frames 8 = frames 16 > frames 4." in verdict
    assert "best(frames) = frames 12" in verdict


def test_any_other_ablation_has_a_table_of_its_rows(everything: Everything) -> None:
    text = everything.text("depth.md")
    assert text.startswith("# How many blocks\n")
    assert "| depth 2 | **75.00** |" in text
    assert "in the paper" not in text
    frame = everything.csv("depth")
    assert list(frame["model.depth"]) == [1, 2]


def test_complexity_sets_stride_beside_full_attention(everything: Everything) -> None:
    for name, module in (("tableA1", "joint"), ("tableA2", "temporal")):
        frame = everything.csv(name).set_index("row")
        assert list(frame.index) == [f"{module} {kind} {size}" for size in (13, 50) for kind in ("full", "stride")]
        assert frame.flops[f"{module} stride 13"] == 120e6
        text = everything.text(f"{name}.md")
        assert "| 13 | stride | 6 | 200 | 100 | 2.00 | 120.00 | 120 % | 500.00 | 3.50 |" in text
        assert f"in 1 of 2 rows; it saves nothing in {module} stride 13 (120 %)." in section(text)
        assert "over 4 rows, = 0.67." in section(text)
    verdict = section(everything.text("tableA1.md"))
    assert "| joint full 50 > joint stride 50 | holds | — |" in verdict
    assert "| joint full 13 > joint stride 13 | fails | — |" in verdict
    assert "temporal" not in verdict.partition("| claim")[2]
    assert "| temporal full 50 ~ temporal full 13 | fails | — |" in section(everything.text("tableA2.md"))


def test_comparisons_hold_every_published_row_and_the_datasets_that_were_run(everything: Everything) -> None:
    frame = everything.csv("table3")
    assert len(frame) == 8 + 1
    ours = frame.iloc[-1]
    assert (ours.method, ours.data, ours.published) == ("measured", "penn_action, rendered", 99.7)
    assert ours.difference == pytest.approx(100 * 111 / CLIPS - 99.7, abs=0.005)
    text = everything.text("table3.md")
    assert "| measured: penn_action, rendered, preset quick | R+P |  | 92.50 ± 0.83 (−7.20) |" in text
    assert "Measured ordering: STAR [1] > " in text and "HDM-BG [55] > Ours." in text
    assert "| Top-1: Ours > STAR [1] by 1.0 | inconclusive |" in text
    assert "| Top-1: Ours > HDM-BG [55] by 1.0 | inconclusive |" in text


def test_a_dataset_that_was_not_run_is_a_footnote_and_not_missing(everything: Everything) -> None:
    assert len(everything.csv("table1")) == 4 * 17 - 3 * 2 - 1
    text = everything.text("table1.md")
    assert len(re.findall(r"^- NTU\d+ X\w+: not run\.", text, re.MULTILINE)) == 4
    assert "| **Ours** | **R+P** |  | **94.3** | **97.9** | **90.5** | **91.4** |" in text
    assert "| NTU60 XSub: Ours > TSMF [5] by 0.5 | not tested | — |  | not run |" in text
    assert not any("table1" in line or "NTU" in line for line in everything.built.missing)


def test_table_1_has_a_measured_row_below_each_protocol_that_was_run(record: FakeRecord) -> None:
    for data, right in (("ntu60, xsub, rendered", 70), ("ntu120, xset, files", 60)):
        rows = {f"full on {data}": right / CLIPS}
        record.rows(rows, seeds=3, ablation="comparison", artefacts=["table1"], data=data, launch=data)
    built = report.build(["table1"], record.storage)
    assert not built.missing
    text = record.made("table1.md").read_text()
    assert "| measured: ntu60, xsub, rendered, preset quick | R+P |  | 59.17 ± 0.83 (−35.13) |  |  |  |" in text
    assert "| measured: ntu120, xset, files, preset quick | R+P |  |  |  |  | 50.83 ± 0.83 (−40.57) |" in text
    assert len(re.findall(r"^- NTU\d+ X\w+: not run\.", text, re.MULTILINE)) == 2
    assert "To run: `python orchestrate.py ablation=comparison data=ntu60 data.protocol=xview data.root=DIR`" in text
    assert "| NTU60 XSub: Ours > STAR [1] by 0.5 | fails |" in text


def test_other_systems_stand_beside_what_is_published_of_them(record: FakeRecord) -> None:
    rows = {"full model": 0.9, "STAR": 0.8, "PoseC3D": 0.7, "R(2+1)D": 0.6}
    record.rows(rows, ablation="comparison", artefacts=["table1"], data="ntu60, xsub, files")
    report.build(["table1"], record.storage)
    frame = pd.read_csv(record.made("table1.csv")).set_index("method")
    beside = {name: frame.published[f"measured: {name}"] for name in list(rows)[1:]}
    assert (beside["STAR"], beside["PoseC3D"]) == (92.0, 93.7) and math.isnan(beside["R(2+1)D"])
    text = record.made("table1.md").read_text()
    assert "| STAR [1] | R+P |  | 92.0? | 96.5? | 90.3? | 92.7? |" in text and ": its backbone was trained on" in text
    assert Method("PoseC3D [19], R+P", "R+P†", ()).is_of("PoseC3D", "R+P")
    assert not Method("PoseC3D [19], R+P", "R+P†", ()).is_of("PoseC3D", "P")


def test_table_2_compares_mean_class_accuracy(record: FakeRecord) -> None:
    # Of 15 classes 8 clips each: 14 classes all right, one class all wrong.
    wrong = [clip for clip in range(CLIPS) if clip % CLASSES == 3]
    sizes = [clip for clip in range(CLIPS) if clip not in wrong]
    for seed in range(3):
        record.finish(f"f19e{seed}", right=sizes)
    plan = {"ablation": "comparison", "artefacts": ["table2", "mine"], "data": "finegym, files"}
    record.launch([point("full", f"f19e{seed}", seed) for seed in range(3)], "2", **plan)
    report.build(["table2", "mine"], record.storage)
    text = record.made("table2.md").read_text()
    assert "| measured: finegym, files, preset quick | R+P† |  | 93.33 ± 0.00 (+3.03) |" in text
    assert "mean class accuracy, 95 % interval " in text and "; top-1 is 93.33 ± 0.00." in text
    assert "| Mean: Ours > ST-GCN [51] | holds | < 0.0001 |" in text
    ours = pd.read_csv(record.made("table2.csv")).iloc[-1]
    assert (ours.mean_class_accuracy, ours.difference) == (93.33, 3.03)
    mine = record.made("mine.md").read_text()
    assert "| row | measured | 95 % interval (other trainings, other clips) | mean class accuracy |" in mine


def test_mean_class_accuracy_is_not_top1_where_classes_are_uneven(record: FakeRecord) -> None:
    record.finish("f19e", clips=20, right=range(15))  # 15 classes, the first five with two clips, one of them wrong
    record.launch([point("full", "f19e")], artefacts=["mine"])
    report.build(["mine"], record.storage)
    frame = pd.read_csv(record.made("mine.csv"))
    assert frame.top1_mean[0] == 75
    assert frame.mean_class_accuracy[0] == pytest.approx(100 * (10 + 5 * 0.5) / 15, abs=0.005)


def test_latex_has_as_many_cells_in_every_line_as_columns(everything: Everything) -> None:
    for name in MADE:
        text = everything.text(f"{name}.tex")
        assert r"\documentclass" not in text
        for body in re.findall(r"\\toprule\n(.*?)\\bottomrule", text, re.DOTALL):
            cells = {len(re.findall(r"(?<!\\)&", line)) for line in body.splitlines() if line.endswith(r"\\")}
            assert len(cells) == 1
        assert not re.search(r"(?<!\\)[#_~]", re.sub(r"D\\_n|%.*", "", text))


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no TeX on this machine")
def test_latex_compiles(everything: Everything, tmp_path: Path) -> None:
    paths = [everything.record.made(f"{name}.tex") for name in MADE]
    inputs = "".join(rf"\input{{{path}}}" for path in paths)
    main = rf"\documentclass{{article}}\usepackage{{booktabs}}\begin{{document}}{inputs}\end{{document}}"
    (tmp_path / "main.tex").write_text(main)
    command = ["pdflatex", "-draftmode", "-interaction=nonstopmode", "-halt-on-error", "main.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stdout[-2000:]


def test_a_tabular_has_readable_names_numbers_with_their_spread_and_verdicts(everything: Everything) -> None:
    lines = everything.text("table4_tabular.tex").splitlines()
    assert r"row & published & measured & claims \tabularnewline" in lines
    assert r"full & 99.7 & \textbf{85.83~$\pm$~0.83} &  \tabularnewline" in lines, "claims stand at the other row"
    assert any(line.startswith("no deformable & 94.8 &") and r"& 1$\surd$ \tabularnewline" in line for line in lines)
    assert any(line.startswith("deformable only [a] &") and r"& 2$\times$ \tabularnewline" in line for line in lines)
    caption = everything.text("table4.txt")
    assert caption.startswith(
        "Attention modules.\nTop-1 in percent, mean ± standard deviation over seeds: preset quick"
    )
    assert "\n[a] without joint and temporal" in caption and "1✓ full > no deformable (p < 0.0001)" in caption
    assert "— not finished: single (seed 0, 1, 2).\n" in everything.text("table5.txt")
    assert r"98.7? & 7$\circ$ \tabularnewline" in everything.text("table3_tabular.tex")
    assert r"13 & stride & 6 & 120.00 & 120 \% & 500.00 & 3.50 & 2$\times$" in everything.text("tableA1_tabular.tex")
    assert re.search(r"^4 & .* & \d[^&]* ", everything.text("figure7a_tabular.tex"), re.MULTILINE)


def test_figures_for_a_paper_have_its_widths_its_letters_and_no_words_of_a_caption(
    record: FakeRecord, unrendered: list[Figure]
) -> None:
    record.finish(cell_of(4, 2))
    record.plan(points=[(4, 2), (6, 2)])
    report.build([], record.storage)
    png, pdf, column, text = unrendered
    assert png is pdf and png.get_supxlabel().startswith("Measured: preset quick")
    assert [each.get_figwidth() for each in (column, text)] == [3.25, 6.75]
    for figure in (column, text):
        [axes] = figure.axes
        assert not (figure.get_supxlabel() or figure.texts or axes.get_title("left"))
        assert min(float(each.get_fontsize()) for each in figure.findobj(TextOfFigure) if each.get_text()) >= 8
    caption = record.made("figure7a.txt").read_text("utf-8")
    assert caption.startswith("Top-1 against temporal stride.\nMeasured: preset quick") and "Bars: 95 %" in caption


def test_figures_for_a_paper_are_as_wide_as_they_say_with_letters_of_true_type(everything: Everything) -> None:
    for name in FIGURES:
        for end, inches in (("column", 3.25), ("text", 6.75)):
            pdf = everything.record.made(f"{name}_{end}.pdf").read_bytes()
            [wide] = re.findall(rb"/MediaBox \[ 0 0 (\S+) ", pdf)
            assert float(wide) == 72 * inches
            assert b"/FontFile2" in pdf and b"/Type3" not in pdf and b"CreationDate" not in pdf


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no TeX on this machine")
def test_tabulars_and_figures_fit_the_columns_of_a_paper(everything: Everything, tmp_path: Path) -> None:
    tabulars = [everything.record.made(f"{name}_tabular.tex") for name in MADE]
    figures = [everything.record.made(f"{name}_column.pdf") for name in FIGURES]
    shown = [
        *(rf"\noindent\input{{{path}}}\par" for path in tabulars),
        *(rf"\noindent\includegraphics{{{path}}}\par" for path in figures),
    ]
    main = (
        r"\documentclass[twocolumn]{article}\usepackage{booktabs,graphicx}"
        r"\setlength{\textwidth}{6.75in}\setlength{\columnsep}{0.25in}\setlength{\hfuzz}{0pt}"
        rf"\begin{{document}}{''.join(shown)}\end{{document}}"
    )
    (tmp_path / "main.tex").write_text(main)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "main.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert r"Overfull \hbox" not in done.stdout


def test_images_are_images_without_a_date(everything: Everything) -> None:
    for name in FIGURES:
        png, pdf = (everything.record.made(f"{name}.{kind}").read_bytes() for kind in ("png", "pdf"))
        assert png.startswith(b"\x89PNG")
        assert b"Software" not in png
        assert pdf.startswith(b"%PDF")
        assert b"CreationDate" not in pdf


def test_the_same_record_gives_the_same_bytes_in_any_process(everything: Everything, tmp_path: Path) -> None:
    uri = f"sqlite:///{everything.record.storage / 'mlflow.db'}"
    with matplotlib.rc_context({"font.size": 20, "savefig.dpi": 50}):  # a user's matplotlibrc
        report.build(["table4", "figure7b"], tmp_path / "here", uri)
    command = [sys.executable, "-m", "tables", f"storage={tmp_path / 'there'}", f"tracking.uri={uri}"]
    home = tmp_path / "home"
    home.mkdir()
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MPL", "XDG"))}
    environment |= {"HOME": str(home)}
    root = Path(report.__file__).parents[2]
    done = subprocess.run(command, check=False, capture_output=True, cwd=root, env=environment)
    assert done.returncode == 1  # a cell is missing
    assert not list(home.iterdir())
    there, first, here = (
        {str(path.relative_to(folder)): path.read_bytes() for path in folder.glob("tables/*/*")}
        for folder in (tmp_path / "there", everything.record.storage, tmp_path / "here")
    )
    assert there == first
    assert len(here) == 2 * (len(ENDS) + len([*ENDS, *PICTURES])), "two artefacts, and their copies"
    assert here.items() <= there.items()


def test_published_numbers_of_other_data_are_said_to_be(everything: Everything, record: FakeRecord) -> None:
    text = everything.text("table4.md")
    assert "- The published values are of penn_action, these rows of synthetic, files: compare the" in text
    record.rows({"full": 0.9}, ablation="modules", artefacts=["table4"], data="penn_action, rendered")
    report.build(["table4"], record.storage)
    assert "The published values are of" not in record.made("table4.md").read_text()


def test_published_numbers_in_doubt_are_marked_and_a_note_says_why(record: FakeRecord) -> None:
    record.rows({"ratio 1/8": 0.8, "full": 0.9}, ablation="cast_ratio", artefacts=["cast_table1d"])
    report.build(["cast_table1d"], record.storage)
    text = record.made("cast_table1d.md").read_text()
    assert "| ratio 1/8 | 1/8 | 47.4? |" in text and "| full | 1/2 | 48.7 |" in text
    assert "- ? published of ratio 1/8, ratio 1/4, ratio 1: no other sentence or number confirms it." in text
    assert list(pd.read_csv(record.made("cast_table1d.csv")).published) == [47.4, 48.7]
