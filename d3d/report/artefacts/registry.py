"""Lists the paper's tables and figures as data: the kind of each, and what the builder of that kind has to know.

An ablation that names no artefact gets a table of its rows under its own name; `artefact_of` decides that.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeGuard

from d3d.bench.declare.ablations import Value

MODULE = "measurement.module"
ATTENTION = "evaluation.attention"
ACCURACY = ("top1_mean", "top1_std", "top1_low", "top1_high", "clips")
BY_CLASS = "mean_class_accuracy"
PROVENANCE = ("preset", "data", "overrides", "launch", "code")  # the columns at the end of every CSV


@dataclass(frozen=True)
class Axis:
    """The configuration key that an axis of a figure shows."""

    key: str
    name: str  # the word before a value, as in "window 6"
    label: str  # of the axis, with its unit


@dataclass(frozen=True)
class Footnote:
    """A footnote of a row."""

    text: str
    where: Mapping[str, str] = field(default_factory=dict)  # it applies if a cell has one of these settings; {}: always

    def applies(self, cells: Iterable[Mapping[str, str]]) -> bool:
        """Whether the footnote applies to a row whose cells have these parameters."""
        return not self.where or any(params.get(key) == value for params in cells for key, value in self.where.items())


@dataclass(frozen=True, kw_only=True)
class Artefact:
    """One table or figure; `kind` is the module of this package that builds it."""

    name: str
    kind: Literal["row_table", "curve", "comparison", "complexity", "attention", "further_clips"]
    title: str
    meaning: str  # the line in --help
    x: Axis | None = None  # of a curve
    lines: Axis | None = None  # of a curve that has several, one for each value
    columns: Mapping[str, str] = field(default_factory=dict)  # CSV column → its content; {}: those of a row table
    footnotes: Mapping[str, Sequence[Footnote]] = field(default_factory=dict)  # by row; the first that applies is shown
    module: str = ""  # of a complexity table or a figure of attention: the attention it is about
    costs: bool = False  # of a row table: whether it has columns for what each row reads and costs
    after: int = 0  # of a figure of further clips: how many figures of the same attention show those before


STRIDE = Axis("model.temporal_stride", "stride", "stride of temporal attention (frames)")
WINDOW = Axis("model.temporal_window", "window", "window (frames)")
TRAINING_FRAMES = Axis("training.frames", "frames", "frames in training and test")
TEST_FRAMES = Axis("evaluation.frames", "test frames", "frames in test")

_DECLARED = (
    Artefact(
        name="table1",
        kind="comparison",
        title="Table 1: other methods on NTU60 and NTU120",
        meaning="top-1 beside other methods', NTU60 and NTU120",
    ),
    Artefact(
        name="table2",
        kind="comparison",
        title="Table 2: other methods on FineGYM",
        meaning="mean class accuracy beside other methods', FineGYM",
    ),
    Artefact(
        name="table3",
        kind="comparison",
        title="Table 3: other methods on Penn Action",
        meaning="top-1 beside other methods', Penn Action",
    ),
    Artefact(
        name="systems",
        kind="row_table",
        title="Systems trained with one recipe",
        meaning="top-1 of every system beside what it reads and costs",
        costs=True,
    ),
    Artefact(
        name="table4",
        kind="row_table",
        title="Table 4: attention modules",
        meaning="top-1 without each of the attention modules",
        footnotes={
            "no_deformable": (
                Footnote(
                    "with model.pose_features=false and without 3D deformable attention no path leads from the pixels "
                    "to the head: this row is a pose-only model",
                    where={"model.pose_features": "False"},
                ),
                Footnote(
                    "this row is not a pose-only model: it sees the pixels too. And these come from the joints as "
                    "well: data.frames=rendered draws them from the joints, data.view=persons cuts them out around "
                    "the joints",
                    where={"data.frames": "rendered", "data.view": "persons"},
                ),
            ),
            "deformable_only": (
                Footnote(
                    "without joint and temporal stride attention no path leads from pose to the head: this row is an "
                    "RGB-only model"
                ),
            ),
        },
    ),
    Artefact(
        name="table5",
        kind="row_table",
        title="Table 5: modal tokens",
        meaning="top-1 with cross-modal tokens, a single token and none",
    ),
    Artefact(
        name="tableA1",
        kind="complexity",
        title="Table A1: complexity of joint stride attention",
        meaning="cost of joint stride attention beside full attention",
        module="joint",
    ),
    Artefact(
        name="tableA2",
        kind="complexity",
        title="Table A2: complexity of temporal stride attention",
        meaning="cost of temporal stride attention beside full attention",
        module="temporal",
    ),
    Artefact(
        name="figure5",
        kind="attention",
        title="Figure 5: 3D deformable attention",
        meaning="where 3D deformable attention looks, and whether that follows the motion",
        module="deformable",
    ),
    Artefact(
        name="figure6",
        kind="attention",
        title="Figure 6: joint stride attention",
        meaning="which joints joint stride attention looks at, and whether these move most",
        module="joint",
    ),
    Artefact(
        name="figure7a",
        kind="curve",
        title="Figure 7a: top-1 against temporal stride",
        meaning="top-1 against the stride of temporal stride attention, one line per window",
        x=STRIDE,
        lines=WINDOW,
        columns={
            "window": WINDOW.key,
            "stride": STRIDE.key,
            **{name: name for name in ("seeds", *ACCURACY, "cells")},
        },
    ),
    Artefact(
        name="figure7b",
        kind="curve",
        title="Figure 7b: top-1 against the number of frames",
        meaning="top-1 against the number of frames in training",
        x=TRAINING_FRAMES,
    ),
    Artefact(
        name="figureA1",
        kind="curve",
        title="Figure A1: top-1 against the number of test frames",
        meaning="top-1 of one model against the number of frames it is tested at",
        x=TEST_FRAMES,
    ),
    Artefact(
        name="figureA2",
        kind="further_clips",
        title="Figure A2: joint stride attention, further clips",
        meaning="Figure 6 for further clips",
        module="joint",
        after=1,
    ),
    *(
        Artefact(
            name=f"figureA{after + 2}",
            kind="further_clips",
            title=f"Figure A{after + 2}: 3D deformable attention, further clips",
            meaning="Figure 5 for further clips",
            module="deformable",
            after=after,
        )
        for after in (1, 2, 3)
    ),
)
_CAST = {
    "cast_table1a": ("Table 1 (a): exchange of information", "the experts apart, their ensemble, and with exchange"),
    "cast_table1b": ("Table 1 (b): ways of exchanging", "late fusion, lateral connections and cross attention"),
    "cast_table1c": ("Table 1 (c): the block of exchange", "cross attention in a bottleneck, before one, without one"),
    "cast_table1d": ("Table 1 (d): the bottleneck's width", "the width of the bottleneck"),
    "cast_table1e": ("Table 1 (e): windows", "what a token asks of the other expert"),
    "cast_table1f": ("Table 1 (f): blocks with exchange", "the part of the blocks with an exchange"),
    "cast_table1g": ("Table 1 (g): directions", "the directions of the exchange"),
    "cast_table1h": ("Table 1 (h): roles", "which expert is in which role"),
    "cast_table6": ("Table 6: pre-training", "what the experts were trained with before"),
    "cast_table8": ("Table 8: positions", "position tables in the exchange"),
}  # name → title and meaning
_TABLES_OF_CAST = (
    Artefact(name=name, kind="row_table", title=f"CAST, {title}", meaning=f"CAST's top-1: {meaning}")
    for name, (title, meaning) in _CAST.items()
)
ARTEFACTS = {each.name: each for each in (*_DECLARED, *_TABLES_OF_CAST)}


def artefact_of(name: str, title: str) -> Artefact:
    """The paper's artefact of this name; for any other name a table of an ablation's rows with this title."""
    return ARTEFACTS.get(name) or Artefact(name=name, kind="row_table", title=title, meaning="")


def is_number(value: Value) -> TypeGuard[int | float]:
    """Whether a value can be a position on an axis."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def misfit(artefact: Artefact, rows: Mapping[str, Mapping[str, Value]]) -> str | None:
    """Why an artefact cannot be built from rows with these settings, and what to do; None if it can."""
    if artefact.kind == "complexity":
        if any(settings.get(MODULE) == artefact.module for settings in rows.values()):
            return None
        return f"no row measures {MODULE}: {artefact.module}; add one, or leave the artefact out"
    if artefact.kind in ("attention", "further_clips"):
        blind = [label for label, settings in rows.items() if settings.get(ATTENTION) is not True]
        return f"row {blind[0]} has no {ATTENTION}: true; set it, or leave the artefact out" if blind else None
    for label, settings in rows.items():
        if settings.get(MODULE) is not None:
            return f"row {label} measures a module and has no top-1; name tableA1 or tableA2, or [] for no table"
        for axis in filter(None, (artefact.x, artefact.lines)):
            if not is_number(settings.get(axis.key)):
                return f"row {label} has no number of {axis.key}, its axis; vary it, or leave the artefact out"
    return None
