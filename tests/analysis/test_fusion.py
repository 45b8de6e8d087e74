import pytest

from d3d.analysis.fusion import fuse
from d3d.data.clip import LabelPart
from d3d.errors import DataError
from d3d.prediction import Prediction


def said(clip: str, *probabilities: float, label: int = 0) -> Prediction:
    answer = max(range(len(probabilities)), key=probabilities.__getitem__) if probabilities else 0
    return Prediction(clip, label, answer, "take", probabilities)


def test_the_mean_of_the_probabilities_decides() -> None:
    one, other = (
        [said("a", 0.6, 0.4), said("b", 0.9, 0.1, label=1)],
        [said("b", 0.3, 0.7, label=1), said("a", 0.1, 0.9)],
    )
    fused = fuse([one, other])
    assert [(each.clip, each.label, each.predicted, each.take) for each in fused] == [
        ("a", 0, 1, "take"),
        ("b", 1, 0, "take"),
    ]
    assert fused[0].probabilities == pytest.approx((0.35, 0.65))


def test_fusing_a_part_with_itself_changes_nothing() -> None:
    part = (said("a", 0.25, 0.75), said("b", 0.5, 0.5))
    assert fuse([part, part]) == part


def test_the_parts_of_labels_are_those_of_the_mean() -> None:
    verb = LabelPart("verb", ("one", "other"), (0, 1, 1))
    fused = fuse([[said("a", 0.6, 0.3, 0.1)], [said("a", 0.2, 0.4, 0.4)]], [verb])
    assert fused[0].predicted == 0 and fused[0].parts == (("verb", 0, 1),), "0.4 against 0.35 + 0.25"


@pytest.mark.parametrize(
    "other",
    [
        [said("a", 0.5, 0.5)],
        [said("a", 0.5, 0.5), said("c", 0.5, 0.5)],
        [said("a", 0.5, 0.5), said("b", 0.5, 0.5), said("c", 0.5, 0.5)],
        [said("a", 0.5, 0.5), said("b", 0.5, 0.25, 0.25)],
        [said("a", 0.5, 0.5), said("b", 0.5, 0.5, label=1)],
    ],
)
def test_parts_of_other_clips_or_classes_are_refused(other: list[Prediction]) -> None:
    with pytest.raises(DataError, match="other clips"):
        fuse([[said("a", 0.5, 0.5), said("b", 0.5, 0.5)], other])


def test_parts_without_probabilities_are_refused_with_the_way_out() -> None:
    with pytest.raises(DataError, match="stale=rerun"):
        fuse([[said("a")], [said("a")]])
