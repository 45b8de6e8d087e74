"""How the commands are used that compose no configuration: what each does, and its keys with their meanings.

Nothing here imports torch, Ray or MLflow, so that help and the completion of a shell are there at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from d3d.config import PLACES
from d3d.data.poses.models import SIZES
from d3d.models.registry import SYSTEMS, config_type


@dataclass(frozen=True)
class Usage:
    """The help of a command."""

    heading: str  # its arguments, and what it does
    keys: Mapping[str, str]  # key → meaning

    def __str__(self) -> str:
        width = max(map(len, self.keys)) + 1
        lines = (f"  {key + '=':<{width}} {meaning}" for key, meaning in self.keys.items())
        return "\n".join([self.heading, "", "keys:", *lines])


FILES = (
    *(f"data.{key}" for key in PLACES),
    *dict.fromkeys(f"model.{key}" for system in SYSTEMS for key in config_type(system).files),
)
"""The keys of files and folders that may have moved since a cell was recorded."""

STATUS = Usage(
    """status [KEY=VALUE …]

Lists the launches of the record, the one that was run last first: their ids, how many of their cells have finished,
failed or begun, and the commands that run what is missing. A cell that has begun is running, or was interrupted.""",
    {
        "storage": "folder of the record; default results",
        "tracking.uri": "MLflow server or database; default <storage>/mlflow.db",
    },
)

COMPARE = Usage(
    """compare A B [KEY=VALUE …]

Compares two results that were tested on the same clips: the difference of their top-1 with its interval and p-value,
the clips that one of them alone has right, and the configuration keys, code and conditions in which they differ.

A and B are each one of
  CELL          the id of a cell
  LAUNCH/ROW    a row of a launch, with all its finished seeds
  LAUNCH        a launch, of which all rows are compared that the other launch has too
where LAUNCH is an id that `status` lists, or the name of an ablation, which stands for its newest launch.""",
    {
        "storage": "folder of the record; default results",
        "tracking.uri": "MLflow server or database; default <storage>/mlflow.db",
        "other.storage": "folder of the record that B is looked up in; default that of A",
        "other.tracking.uri": "MLflow server or database of B; default <other.storage>/mlflow.db",
    },
)

CLEAN = Usage(
    """clean storage=DIR [KEY=VALUE …]

Lists the files of a storage folder that no result needs, says how much room they take, and removes them if you say yes:
what processes that were killed left half written, and of finished cells the checkpoint before the last. Results, tables
and pictures stay. With weights=true the weights of finished cells go too: their numbers stay, but another test of them,
a look at their attention, or a training that starts from them trains them again.""",
    {
        "storage": "folder that is cleaned; required",
        "tracking.uri": "MLflow server or database that says which cells finished; default <storage>/mlflow.db",
        "weights": "true: also the weights of finished cells; default false",
        "yes": "true: removes without asking; default false",
    },
)

PREDICT = Usage(
    """predict cell=ID video=FILE [KEY=VALUE …]

Prints what a trained cell recognises in a video, with probabilities, and draws the answer and the joints on the frames
that it saw. A cell that reads joints takes them from joints=FILE.pkl, or estimates them with poses.models=DIR.""",
    {
        "cell": "id of a cell that was trained, or tested; required",
        "video": "a video, or a folder of images; required",
        "joints": "FILE.pkl with the joints of the video, in PYSKL's layout",
        "poses.models": "folder of BlazePose's models, which estimate the joints; see docs/own_videos.md",
        "poses.size": f"of the models: {', '.join(SIZES)}; default the most accurate one there",
        "views": "how often the video is seen, in frames at other places; default 1",
        "picture": "FILE.png to draw; default <storage>/answers/VIDEO-CELL.png",
        "storage": "folder of the launch that trained the cell; default results",
        "tracking.uri": "MLflow server or database; default <storage>/mlflow.db",
    },
)

REPRODUCE = Usage(
    """run cell=ID [KEY=VALUE …]

Runs one cell of a record anew, and what it needs: the training of a test, the folds of a mean. Then says whether top-1
and all predictions are the same and, if not, what differs in code, versions, processor and threads. The recorded cell
stays as it is. Exit status 1 if the result is another one.""",
    {
        "cell": "id of a finished cell; required",
        "storage": "folder that all is written to; default <recorded.storage>/reproduced/ID",
        "recorded.storage": "folder of the launch that ran the cell, where nothing is changed; default results",
        "recorded.tracking.uri": "MLflow server or database of that launch; default <recorded.storage>/mlflow.db",
        "resources.cpus_per_cell": "threads; default as recorded, as far as there are CPUs",
        "model.system": "package.module:Class, if the cell ran this code of your own, which is then imported and run",
        "dry_run": "true: prints the plan and starts nothing; default false",
        **dict.fromkeys(FILES, "where this file or folder is now, if it has moved"),
    },
)

TABLE_KEYS = {
    "storage": "folder of the record, and of the tables built from it; default results",
    "launch": "id of a launch in the record; default the newest for each artefact",
    "partial": "true: a row with some of its seeds has numbers, and missing cells are no failure; default false",
    "tracking.uri": "MLflow server or database; default <storage>/mlflow.db",
}
