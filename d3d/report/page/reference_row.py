"""Shows the reference row of a launch more closely: its learning curves, which actions it confuses, the worst clips."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from d3d.bench.record.schema import Launch, Metric
from d3d.prediction import Prediction
from d3d.report.artefacts.plots import image_bytes, style
from d3d.report.document.blocks import Block, Grid, Heading, Notes, Text
from d3d.report.page.section import Gallery, Photograph, Picture, Section
from d3d.report.record import Cell, Record
from d3d.report.rows import MISSING, Row, accuracy_text, interval_text
from d3d.worst_clips import MOST, mean_probabilities, worst_clips

Seeds = Sequence[Sequence[Prediction]]

CURVES = {  # metric of each epoch → its name
    Metric.TRAIN_LOSS: "training loss",
    Metric.EVAL_LOSS: "loss on the clips tested",
    Metric.TRAIN_TOP1: "training top-1",
    Metric.EVAL_TOP1: "top-1 on the clips tested",
    Metric.TEST_TOP1: "top-1 on the clips tested",
    Metric.EVAL_VERB_TOP1: "verbs on the clips tested",
    Metric.EVAL_NOUN_TOP1: "nouns on the clips tested",
}
TRAINING, TESTED = "#2c2c6c", "#cf4a5e"
COLOURS: dict[str, str] = {Metric.EVAL_VERB_TOP1: "#e8963a", Metric.EVAL_NOUN_TOP1: "#86408f"}
WORST = 20  # clips are listed
LICENCE = (
    "The pictures show what the model saw of some of these clips, with the mean probability of both actions over the "
    "seeds. They are of the dataset: its licence says whether they may be passed on."
)
CLASSES_NUMBERED = 30  # in the confusion matrix; with more classes only some of the numbers fit
LONGEST_NAME = 20  # letters of an action's name beside that matrix


def reference_row(record: Record, launch: Launch, row: Row) -> Section:
    """The section on a row with counted cells."""
    cells = list(row.counted.values())
    seeds = [record.probable(cell) for cell in cells]
    names = _Names(number for cell in cells for number in record.classes(cell).items())
    said = (
        f"Top-1 is {accuracy_text(row)} %, 95 % interval {interval_text(row)}, over {len(cells)} "
        f"seed{'s' * (len(cells) > 1)}."
    )
    blocks: list[Block | Picture | Gallery] = [
        Text(said if names else f"{said} The record has actions by their number."),
        *_learning(record, row),
        *_confusion(seeds, names),
        *_worst(seeds, names, {clip: jpeg for cell in reversed(cells) for clip, jpeg in record.pictures(cell).items()}),
    ]
    return Section(f"{row.label}: {launch.data}, preset {launch.preset}", blocks)


class _Names(dict[int, str]):
    """Number → name of the actions; an action that the record does not name has its number."""

    def __missing__(self, number: int) -> str:
        return str(number)


def _learning(record: Record, row: Row) -> list[Block | Picture]:
    """The curves of each seed, and of each of its folds, of the metrics that were recorded after epochs."""
    curves: dict[str, list[dict[int, float]]] = {}
    cells = [fold for cell in row.counted.values() for fold in record.each_fold(cell)]
    lines = ("seeds and folds", "seed and fold") if len(cells) > len(row.counted) else ("seeds", "seed")
    for metric in CURVES:
        recorded = [history for cell in cells if (history := record.history(cell, metric))]
        if recorded:
            curves[metric] = recorded
    if not curves:
        return [Heading("Learning curves"), Text("The record has no numbers of single epochs.")]
    with style():
        figure = Figure(figsize=(6.4, 2.6), layout="constrained")
        left, right = figure.subplots(1, 2)
        _plot(left, "loss", 1, {metric: each for metric, each in curves.items() if metric.endswith("loss")})
        _plot(right, "top-1 (%)", 100, {metric: each for metric, each in curves.items() if metric.endswith("top1")})
        png = image_bytes(figure, "png")
    last = [
        f"{CURVES[Metric(metric)]} {fmean(list(each.values())[-1] for each in histories):.3f}"
        for metric, histories in curves.items()
    ]
    said = f"Means over the {lines[0]} after the last epoch: {', '.join(last)}."
    return [
        Heading("Learning curves"),
        Picture(png, f"Learning curves, a line for each {lines[1]}. {said}"),
        Text(said),
    ]


def _plot(axes: Axes, label: str, scale: float, curves: Mapping[str, Sequence[Mapping[int, float]]]) -> None:
    """Draws each seed of each metric as a line, `scale` times what was recorded."""
    for metric, histories in curves.items():
        colour = COLOURS.get(metric, TRAINING if metric.startswith("train") else TESTED)
        for number, history in enumerate(histories):
            marker = "o" if len(history) == 1 else ""
            name = "" if number else CURVES[Metric(metric)]
            values = [scale * value for value in history.values()]
            axes.plot(list(history), values, color=colour, linewidth=0.9, marker=marker, label=name)
    axes.set_xlabel("epoch")
    axes.set_ylabel(label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="y")
    if curves:
        axes.legend(frameon=False, fontsize=6)


def confusion(seeds: Sequence[Sequence[Prediction]]) -> NDArray[np.int64]:
    """classes × classes: the number of clips of each action (row) that got each prediction (column), over all seeds."""
    everything = [each for seed in seeds for each in seed]
    size = 1 + max(max(each.label, each.predicted) for each in everything)
    counts = np.zeros((size, size), np.int64)
    for each in everything:
        counts[each.label, each.predicted] += 1
    return counts


def _confusion(seeds: Sequence[Sequence[Prediction]], names: _Names) -> list[Block | Picture]:
    counts = confusion(seeds)
    clips = counts.sum(axis=1)
    there = [number for number, count in enumerate(clips.tolist()) if count]
    wrong = counts - np.diag(np.diag(counts))
    confused = {number: int(wrong[number].argmax()) for number in there}
    shares = 100 * counts / np.maximum(clips[:, None], 1)
    with style():
        figure = Figure(figsize=(4.2, 3.6), layout="constrained")
        axes = figure.subplots()
        image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=100)
        if len(counts) <= CLASSES_NUMBERED:
            ticks = [names[number][:LONGEST_NAME] for number in range(len(counts))]
            axes.set_xticks(range(len(counts)), ticks, rotation=90 if names else 0)
            axes.set_yticks(range(len(counts)), ticks)
        axes.tick_params(labelsize=5)
        axes.set_xlabel("predicted action")
        axes.set_ylabel("true action")
        figure.colorbar(image, label="clips of the true action (%)")
        png = image_bytes(figure, "png")
    rows = []
    for number in sorted(there, key=lambda each: (shares[each, each], each)):
        other = confused[number]
        most = f"{names[other]} ({shares[number, other]:.1f} %)" if wrong[number, other] else "none"
        rows.append((names[number], str(clips[number] // len(seeds)), f"{shares[number, number]:.1f}", most))
    grid = Grid(("action", "clips", "accuracy (%)", "most often taken for"), tuple(rows), "lrrl")
    pairs = sorted((-int(wrong[a, b]), a, b) for a in there for b in range(len(counts)) if wrong[a, b])
    named = "; ".join(f"{names[a]} taken for {names[b]}: {-count}" for count, a, b in pairs[:3]) or "no clip is wrong"
    alt = f"Confusion matrix of {len(there)} actions over all seeds. The largest errors: {named}."
    return [
        Heading("Confusion of actions"),
        Picture(png, alt),
        Heading("Accuracy of each action"),
        Text("The mean over the seeds, with the lowest first."),
        grid,
    ]


def _worst(seeds: Seeds, names: _Names, pictures: Mapping[str, bytes]) -> list[Block | Picture | Gallery]:
    worst = worst_clips(seeds)
    if not worst:
        return [Heading("Worst clips"), Text("Every seed is right about every clip.")]
    said: dict[str, Counter[int]] = defaultdict(Counter)
    for each in (each for seed in seeds for each in seed):
        said[each.clip][each.predicted] += 1
    chances = mean_probabilities(seeds)
    labels = {each.clip: each.label for each in seeds[0]}
    rows = tuple(
        (
            clip,
            names[labels[clip]],
            ", ".join(f"{names[number]} ({times}×)" for number, times in sorted(said[clip].items())),
            f"{count} of {len(seeds)}",
            f"{100 * chances[clip][labels[clip]]:.1f}" if clip in chances else MISSING,
        )
        for clip, count in list(worst.items())[:WORST]
    )
    left = len(worst) - len(rows)
    notes = (f"{left} more clips are wrong in at least one seed.",) if left else ()
    kept = [clip for clip in worst if clip in pictures][:MOST]
    shown = [_photograph(clip, labels[clip], said[clip], names, chances.get(clip), pictures[clip]) for clip in kept]
    blocks: list[Block | Picture | Gallery] = [
        Heading("Worst clips"),
        Grid(("clip", "action", "predicted", "seeds that are wrong", "probability of the action (%)"), rows, "llwlr"),
        Notes(notes),
    ]
    return [*blocks, Text(LICENCE), Gallery(shown)] if shown else blocks


def _photograph(
    clip: str, label: int, said: Counter[int], names: _Names, chances: NDArray[np.float64] | None, jpeg: bytes
) -> Photograph:
    """The picture of a clip; its text has the action that most seeds predict, of those that are wrong."""
    wrong = Counter({number: times for number, times in said.items() if number != label})
    [(other, _)] = wrong.most_common(1)

    def action(number: int) -> str:
        return names[number] if chances is None else f"{names[number]} ({100 * chances[number]:.1f} %)"

    return Photograph(
        jpeg,
        f"Frames of clip {clip}. True action: {action(label)}. Predicted action: {action(other)}.",
        f"{clip}: {action(label)}, predicted {action(other)}",
    )


def trained(cells: Sequence[Cell]) -> bool:
    """Whether the cells have predictions of a trained model to look at."""
    return all(cell.trained and Metric.TOP1 in cell.metrics for cell in cells)
