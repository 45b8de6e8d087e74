from pathlib import Path

import pytest
import yaml

from d3d.bench.record.provenance import EQUIVALENT, current_code, kind_of, part_of, read_code
from d3d.digest import code_digest
from d3d.errors import ConfigError
from d3d.models.registry import SYSTEMS

D3D = "training of d3d"
TODAY = code_digest("d3d.training.loop", "d3d.models.d3d.transformer")
OWN = """
from d3d.models.config import SystemConfig
from d3d.models.system import System

class Mine(System):
    config_type = SystemConfig
"""
OLD, OLDER = "0123456789abcdef", "fedcba9876543210"


def listed(folder: Path, **training: object) -> Path:
    path = folder / "equivalent_code.yaml"
    path.write_text(yaml.safe_dump({D3D: training}))
    return path


def test_each_kind_of_cell_and_each_system_runs_through_code_of_its_own() -> None:
    codes = read_code(EQUIVALENT)
    assert codes.keys() == {
        *(f"training of {system}" for system in SYSTEMS),
        "baseline",
        "fusion",
        "folds",
        "attention",
        "measurement",
    }
    assert codes["baseline"].digest == code_digest("d3d.analysis.baselines")
    assert len({code.digest for code in codes.values()}) == len(codes)
    assert current_code() == codes


def test_a_test_runs_through_the_code_of_its_training() -> None:
    assert part_of("test", "gcn") == part_of("training", "gcn") == "training of gcn"
    assert part_of("baseline", "gcn") == "baseline"


def test_a_fusion_is_of_todays_code_where_what_it_fuses_is() -> None:
    codes = read_code(EQUIVALENT)
    recorded = "+".join(codes[part].digest for part in ("fusion", "training of gcn", "training of r2plus1d"))
    assert codes["fusion"].made(recorded)
    assert not codes["fusion"].made(f"{recorded}+{OLD}")
    assert not codes["training of gcn"].made(recorded)


def test_a_training_that_starts_from_others_is_of_todays_code_where_they_are() -> None:
    codes = read_code(EQUIVALENT)
    recorded = "+".join(codes[f"training of {system}"].digest for system in ("masked_vit", "vit", "cast"))
    assert codes["training of cast"].made(recorded)
    assert not codes["training of cast"].made(f"{recorded}+{OLD}")
    assert not codes["training of vit"].made(recorded), "it starts from no CAST"
    assert not codes["training of gcn"].made(codes["training of vit"].digest)


def test_a_system_of_the_users_own_has_its_code_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    source = tmp_path / "my_system_here.py"
    source.write_text(OWN)
    own = "my_system_here:Mine"
    first = read_code(EQUIVALENT, own)[part_of("training", own)].digest
    assert first not in {code.digest for code in read_code(EQUIVALENT).values()}
    source.write_text(OWN + "\nWIDTH = 3\n")
    assert read_code(EQUIVALENT, own)[part_of("training", own)].digest != first


def test_code_of_a_group_is_as_good_as_todays(tmp_path: Path) -> None:
    path = listed(tmp_path, releases={"1": OLDER, "2": OLD}, equivalent=[[OLD, TODAY]])
    codes = read_code(path)
    assert codes[D3D].digest == TODAY
    assert codes[D3D].made(TODAY)
    assert codes[D3D].made(f"{OLD}+{TODAY}")
    assert not codes[D3D].made(OLDER)
    assert not codes[D3D].made(f"{TODAY}+{OLDER}"), "part of it is of other code"
    assert not codes[D3D].made(""), "nobody knows"
    assert not codes["baseline"].made(OLD)


def test_releases_that_are_equivalent_among_themselves_alone_are_other_code(tmp_path: Path) -> None:
    path = listed(tmp_path, releases={"1": OLDER, "2": OLD}, equivalent=[[OLD, OLDER]])
    assert not read_code(path)[D3D].made(OLD)


@pytest.mark.parametrize(
    ("training", "said"),
    [
        ({"equivalent": [[OLD, TODAY]]}, f"{D3D}: {OLD}: is neither the code of a release nor the current code"),
        ({"equivalent": [["c0de"]]}, f"{D3D}: c0de: is not a digest"),
        ({"releases": {"1": "C0DE"}}, f"{D3D}: C0DE: is not a digest"),
        ({"equivalents": []}, r"equivalents: unknown key \(did you mean equivalent\?\)"),
        ({"equivalent": OLD}, f"{D3D}.equivalent: '{OLD}': it should be a valid list"),
    ],
)
def test_a_list_that_cannot_be_is_one_line(tmp_path: Path, training: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as fault:
        read_code(listed(tmp_path, **training))
    assert "\n" not in str(fault.value)


def test_a_kind_that_there_is_not(tmp_path: Path) -> None:
    path = tmp_path / "list.yaml"
    path.write_text("fuson: {}")
    with pytest.raises(ConfigError, match=r"list\.yaml: fuson: unknown part of the code"):
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
