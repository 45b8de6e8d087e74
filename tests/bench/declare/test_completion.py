import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from d3d.bench.declare.ablations import options
from d3d.bench.declare.completion import SHELLS, completion_script
from d3d.command import COMMANDS
from d3d.errors import ConfigError

ASK = {
    "bash": """
        source "$1"; COMP_WORDBREAKS=$3; COMP_LINE=$2; COMP_POINT=${#2}
        compopt() { :; }
        _d3d; printf '%s\n' "${COMPREPLY[@]}"
    """,
    "zsh": """
        compdef() { :; }
        source "$1"
        compset() { PREFIX=${PREFIX#*=} }
        compadd() { while [[ $1 != -- ]] { shift }; shift; print -l -- ${(M)@:#$PREFIX*} }
        _files() { print -l -- $PREFIX*(N) }
        words=(${(s: :)2}); [[ $2 == *" " ]] && words+=(""); CURRENT=${#words}; PREFIX=$words[-1]
        _d3d; true
    """,
}


@pytest.fixture(scope="module", params=SHELLS)
def script(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script for a shell, under the name of the shell."""
    if shutil.which(request.param) is None:
        pytest.skip(f"takes {request.param}")
    path = tmp_path_factory.mktemp("script") / str(request.param)
    path.write_text(completion_script([request.param], COMMANDS, ["table4"]), "utf-8")
    return path


def completed(script: Path, line: str, folder: Path, breaks: str = " =:") -> list[str]:
    """What the shell offers after a line."""
    done = subprocess.run(
        [script.name, "-c", ASK[script.name], "d3d", str(script), line, breaks],
        cwd=folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert not done.stderr
    return sorted(filter(None, done.stdout.splitlines()))


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("d3d ablation=stri", ["stride_grid"]),
        ("d3d run -q preset=", options("preset")),
        ("d3d ablation=full model=st", [name for name in options("model") if name.startswith("st")]),
        ("d3d ablation=full search=near", ["nearby"]),
        ("d3d ablation=full training.ep", ["training.epochs="]),
        ("d3d ablation=full model.norm=", ["pre", "printed"]),
        ("d3d co", ["compare", "completion", "config"]),
        ("d3d ablation=full co", []),
        ("d3d -", ["-q", "-v"]),
        ("d3d tables ta", ["table4"]),
        ("d3d clean w", ["weights="]),
        ("d3d clean weights=", ["false", "true"]),
        ("d3d show clip", ["clip="]),
        ("d3d check abl", []),
        ("d3d check data.root=mi", ["mine.yaml"]),
        ("d3d ablation=min", ["mine.yaml"]),
        ("d3d completion z", ["zsh"]),
    ],
)
def test_a_shell_completes(line: str, offered: list[str], script: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").touch()
    (tmp_path / "other.txt").touch()
    assert completed(script, line, tmp_path) == sorted(offered)


def test_a_bash_that_breaks_no_words_gets_whole_ones(script: Path, tmp_path: Path) -> None:
    if script.name == "bash":
        assert completed(script, "d3d data=pen", tmp_path, breaks=" ") == ["data=penn_action"]


@pytest.mark.parametrize("arguments", [[], ["csh"], ["bash", "zsh"]])
def test_an_unknown_shell_is_refused(arguments: list[str]) -> None:
    with pytest.raises(ConfigError, match="name a shell, bash or zsh"):
        completion_script(arguments, COMMANDS, [])


def test_nothing_slow_is_imported() -> None:
    code = "import sys; from d3d.command import main; main(['completion', 'bash']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "ray", "mlflow", "optuna"} & {*done.stdout.splitlines()[-1].split()}
