from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from matplotlib.figure import Figure

from d3d import report
from tests.report.fake_record import CLIPS, FakeRecord, label_of, new_record, point

ENDS = (".csv", ".md", ".tex", "_tabular.tex", ".txt")  # of the names of the files of a table
PICTURES = (".png", ".pdf", "_column.pdf", "_text.pdf")  # and of a figure


@dataclass(frozen=True)
class Everything:
    """A record of every artefact, one of its cells missing, and what was built from it."""

    record: FakeRecord
    built: report.Built

    def text(self, name: str) -> str:
        return self.record.made(name).read_text("utf-8")

    def csv(self, name: str) -> pd.DataFrame:
        return pd.read_csv(self.record.made(f"{name}.csv"), dtype={"cells": str}, keep_default_na=True)


@pytest.fixture
def record(empty_database: Path, tmp_path: Path) -> FakeRecord:
    return new_record(empty_database, tmp_path / "results")


@pytest.fixture
def unrendered(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are drawn, none of which becomes an image: that takes longer than everything else."""
    figures: list[Figure] = []

    def image_bytes(figure: Figure, kind: str) -> bytes:
        figures.append(figure)
        return kind.encode()

    monkeypatch.setattr("d3d.report.artefacts.plots.image_bytes", image_bytes)
    return figures


@pytest.fixture(scope="session")
def everything(empty_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Everything:
    record = new_record(empty_database, tmp_path_factory.mktemp("everything") / "results")
    record.finish_grid()
    record.plan("7a", claims=[f"best(temporal window {w}) = {label_of(w, w // 2)}" for w in (4, 6, 8, 10)])
    modules = {"no_deformable": 60, "deformable_only": 70, "no_joint": 100, "no_temporal": 101, "full": 102}
    claims = ["full > no_deformable", "deformable_only > no_joint", "full > no_temporal"]
    _launch(record, "modules", "table4", modules, reference="full", claims=claims, seeds=3)
    tokens = {"none": 60, "single": None, "cross": 102}
    _launch(record, "tokens", "table5", tokens, reference="cross", claims=["cross > single > none"], seeds=3)
    for ablation, artefact, axis in (
        ("frames", "figure7b", "training.frames"),
        ("test_frames", "figureA1", "evaluation.frames"),
    ):
        curve = {f"frames {n}": 90 - abs(n - 12) for n in (16, 4, 8, 12)}
        axes = {f"frames {n}": {axis: n} for n in (16, 4, 8, 12)}
        claims = ["best(frames) = frames 12", "frames 12 ~ frames 16"]
        _launch(record, ablation, artefact, curve, reference="frames 12", claims=claims, axes=axes, seeds=3)
    axes = {f"depth {n}": {"model.depth": n} for n in (1, 2)}
    _launch(record, "depth", "depth", {"depth 1": 80, "depth 2": 90}, axes=axes, title="How many blocks")
    _complexity(record)
    for data, right in (("penn_action, rendered", 110), ("synthetic, files", 90)):
        names = ["table1", "table2", "table3", "systems"]
        _launch(record, "comparison", names, {f"full on {data}": right}, data=data, launch=data[:4], seeds=3)
    return Everything(record, report.build([], record.storage))


def _launch(
    record: FakeRecord, ablation: str, artefacts: str | list[str], rows: Mapping[str, int | None], **changes: Any
) -> None:
    """Rows with the number of clips they have right, in a launch named as its ablation is."""
    top1 = {label: None if right is None else right / CLIPS for label, right in rows.items()}
    names = [artefacts] if isinstance(artefacts, str) else artefacts
    command = f"python orchestrate.py ablation={ablation}"
    record.rows(top1, **({"launch": ablation, "ablation": ablation, "artefacts": names, "command": command} | changes))


def _complexity(record: FakeRecord) -> None:
    """Full and stride attention at two sizes; at the small one stride attention is dearer."""
    points = []
    for module in ("joint", "temporal"):
        for size, attention, flops, printed in (
            (13, "full", 100e6, 400),
            (13, "stride", 120e6, 100),
            (50, "full", 900e6, 5000),
            (50, "stride", 500e6, 1000),
        ):
            label = f"{module} {attention} {size}"
            axes: dict[str, Any] = {
                "measurement.module": module,
                "measurement.joints": size,
                "measurement.attention": attention,
            }
            if attention == "stride":
                axes["measurement.window"] = 6
            cell = label.replace(" ", "-")
            points.append(point(label, cell, axes=axes))
            numbers = {
                "flops": flops,
                "printed": printed,
                "score_pairs": 2 * printed,
                "seconds": 0.5,
                "memory_mib": 3.5,
            }
            record.finish(cell, metrics=numbers)
    claims = [
        "joint full 50 > joint stride 50",
        "joint full 13 > joint stride 13",
        "temporal full 50 ~ temporal full 13",
    ]
    record.launch(points, "complexity", ablation="complexity", artefacts=["tableA1", "tableA2"], claims=claims)
