from pathlib import Path

import pytest
import yaml

from d3d.digest import code_digest
from d3d.errors import ConfigError
from experiments.provenance import EQUIVALENT, current_code, kind_of, read_code

TODAY = code_digest("d3d.training")
OLD, OLDER = "0123456789abcdef", "fedcba9876543210"


def listed(folder: Path, **training: object) -> Path:
    path = folder / "equivalent_code.yaml"
    path.write_text(yaml.safe_dump({"training": training}))
    return path


def test_each_kind_of_cell_runs_through_code_of_its_own_and_a_test_through_its_trainings() -> None:
    codes = read_code(EQUIVALENT)
    assert codes["training"] == codes["test"]
    assert codes["baseline"].digest == code_digest("d3d.baselines")
    assert len({code.digest for code in codes.values()}) == 3
    assert current_code() == codes


def test_code_of_a_group_is_as_good_as_todays(tmp_path: Path) -> None:
    path = listed(tmp_path, releases={"1": OLDER, "2": OLD}, equivalent=[[OLD, TODAY]])
    codes = read_code(path)
    assert codes["training"].digest == TODAY
    assert codes["training"].made(TODAY)
    assert codes["test"].made(f"{OLD}+{TODAY}")
    assert not codes["training"].made(OLDER)
    assert not codes["training"].made(f"{TODAY}+{OLDER}"), "part of it is of other code"
    assert not codes["training"].made(""), "nobody knows"
    assert not codes["baseline"].made(OLD)


def test_releases_that_are_equivalent_among_themselves_alone_are_other_code(tmp_path: Path) -> None:
    path = listed(tmp_path, releases={"1": OLDER, "2": OLD}, equivalent=[[OLD, OLDER]])
    assert not read_code(path)["training"].made(OLD)


@pytest.mark.parametrize(
    ("training", "said"),
    [
        ({"equivalent": [[OLD, TODAY]]}, f"training: {OLD}: is the code of no release, nor today's"),
        ({"equivalent": [["c0de"]]}, "training: c0de: is no digest"),
        ({"releases": {"1": "C0DE"}}, "training: C0DE: is no digest"),
        ({"equivalents": []}, r"equivalents: unknown key \(did you mean equivalent\?\)"),
        ({"equivalent": OLD}, "training.equivalent: it should be a valid list"),
    ],
)
def test_a_list_that_cannot_be_is_one_line(tmp_path: Path, training: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as fault:
        read_code(listed(tmp_path, **training))
    assert "\n" not in str(fault.value)


def test_a_kind_that_there_is_not(tmp_path: Path) -> None:
    path = tmp_path / "list.yaml"
    path.write_text("fusion: {}")
    with pytest.raises(ConfigError, match=r"list\.yaml: fusion: is no kind of cell"):
        read_code(path)


@pytest.mark.parametrize(
    ("tags", "kind"),
    [
        ({}, "training"),
        ({"trained": "c1"}, "test"),
        ({"baseline": "ridge"}, "baseline"),
        ({"measurement": "joint"}, "measurement"),
    ],
)
def test_a_run_says_of_what_kind_its_cell_is(tags: dict[str, str], kind: str) -> None:
    assert kind_of(tags) == kind
