from dataclasses import replace

from d3d.report.artefacts.registry import PROVENANCE
from d3d.report.made_by import made_by, provenance, recipe
from tests.report.measured_rows import launch, marks, row


def test_the_command_is_said_without_what_is_of_its_machine() -> None:
    words = [
        "ablation=/home/me/mine.yaml", "preset=small", "data=penn_action", "data.root=/data/Penn_Action",
        "model.norm=pre", "storage=/secret", "tracking.uri=http://secret:5000", "cluster.address=auto",
        "resources.cpus=2", "seeds=[0,4]", "data.annotations='\"/a b/c.pkl\"'",
    ]  # fmt: skip
    said = made_by(replace(launch(), command=" ".join(["python orchestrate.py", *words])))
    assert said == (
        "Made by `python orchestrate.py ablation=mine.yaml preset=small data=penn_action data.root=Penn_Action "
        "model.norm=pre 'seeds=[0,4]' data.annotations=c.pkl`."
    )
    changed = replace(
        launch(), preset="small", overrides=("model.norm=pre", "model.spatial_weights=/home/me/clip.safetensors")
    )
    assert recipe(changed) == "preset small with model.norm=pre, model.spatial_weights=clip.safetensors"


def test_a_row_of_a_csv_says_how_it_was_made() -> None:
    changed = replace(launch(), overrides=("model.norm=pre", "data.root=/secret/own videos"))
    made = row("a", *[marks(1, 2)] * 3).cells.values()
    cells = [replace(cell, code_digest=code) for cell, code in zip(made, "xyx", strict=True)]
    assert provenance(changed, cells) == dict(
        zip(PROVENANCE, ("quick", "synthetic", "model.norm=pre 'data.root=own videos'", "1a", "x y"), strict=True)
    )
    assert provenance(changed, []) == {**provenance(changed, cells), "code": ""}
