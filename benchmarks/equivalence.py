"""Whether another revision of this repository gives the same bits as the working tree.

    python -m benchmarks.equivalence REVISION

Checks the revision out into a temporary folder and carries out the same short computations there and here, each in a
process of its own, on one thread of this machine's CPU: trainings that between them run through every part of the
model, fits of every baseline, and what a measurement counts (its times are never twice the same). For each kind of
cell it prints both digests of the code, as experiments/equivalent_code.yaml lists them, and whether the results have
the same bits. The exit status is 1 where some differ.
"""

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]

PROBE = """
import hashlib, json, sys
from importlib import import_module
from pathlib import Path
import torch
from safetensors.torch import load_file
from d3d.config import *

def found(*places):
    for place in places:  # from today's to those of older revisions
        module, name = place.split(":")
        try:
            return getattr(import_module(module), name)
        except (ImportError, AttributeError):
            pass
    raise ImportError(places[0])

classify = found("d3d.analysis.baselines:classify", "d3d.baselines:classify")
measure = found("d3d.analysis.complexity:measure", "d3d.complexity:measure")
open_dataset = found(
    "d3d.data.readers.registry:open_dataset", "d3d.data.datasets:open_dataset", "d3d.data:open_dataset"
)
D3DConfig = found("d3d.models.d3d.config:D3DConfig", "d3d.config:ModelConfig")
FILE = found("d3d.training.checkpoint:FILE", "d3d.checkpoint:FILE")
train = found("d3d.training.loop:train", "d3d.training:train")
evaluate_trained = found(
    "d3d.training.evaluation:evaluate_trained",
    "d3d.training.loop:evaluate_trained",
    "d3d.training:evaluate_trained",
)

torch.set_num_threads(1)
folder, cpu = Path(sys.argv[1]), torch.device("cpu")
data = DataConfig(clips=60, view="persons", resize=28, crop=24)
dataset = open_dataset(data, folder)
settings = [
    {},
    {"norm": "printed", "tokens": "single", "pose_position": "relative"},
    {"tokens": "none", "offset_convolution": "dense", "joint_attention": False},
    {"pose_position": "index", "temporal_attention": False, "deformable_attention": False},
]

def sha(*parts):
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part if isinstance(part, bytes) else repr(part).encode())
    return digest.hexdigest()

def trained(number, changes):
    model = D3DConfig(width=4, depth=2, heads=2, kernel=2, dropout=0.1, drop_path=0.1, **changes)
    training = TrainingConfig(
        frames=8, epochs=2, warmup_epochs=1, batch_size=8, learning_rate=5e-3, mixup=0.2, average=0.9
    )
    augmentation = AugmentationConfig(zoom=0.1, rotation=5, span=0.8, colour=0.1, joint_noise=0.01, joint_dropout=0.1)
    config = Config(model=model, data=data, training=training, augmentation=augmentation, seed=number)
    place = folder / str(number)
    predictions = train(config, dataset, cpu, place, lambda result: None)
    noisy = Config(
        model=model, data=data, training=training, augmentation=augmentation, seed=number,
        evaluation=EvaluationConfig(frames=6, joint_noise=0.05, joint_dropout=0.1),
    )
    tested = evaluate_trained(noisy, config, dataset, cpu, place)
    weights = load_file(place / FILE)
    tensors = [part for name in sorted(weights) for part in (name, weights[name].numpy().tobytes())]
    said = [(each.clip, each.label, each.predicted, each.take) for each in (*predictions, *tested.predictions)]
    return sha(said, tested.loss, *tensors)

def counted(module):
    cost = measure(D3DConfig(), MeasurementConfig(module=module, rgb_tokens=49, repetitions=1), cpu)
    return cost.score_pairs, cost.printed, cost.flops, cost.memory_mib

methods = ("ridge", "kernel ridge", "nearest neighbour")
print(json.dumps({
    "training of d3d": sha([trained(number, changes) for number, changes in enumerate(settings)]),
    "baseline": sha([classify(BaselineConfig(method=method), 8, dataset) for method in methods]),
    "measurement": sha([counted("joint"), counted("temporal")]),
}))
"""


DIGESTS = """
import json

try:
    from d3d.bench.record.provenance import current_code
except ImportError:  # as version 0.1 has it
    from experiments.provenance import current_code
print(json.dumps({part: code.digest for part, code in current_code().items()}))
"""


def main(revision: str) -> int:
    """Compares, prints, and returns the exit status."""
    with TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        subprocess.run(["git", "worktree", "add", "--quiet", "--detach", str(tree), revision], cwd=ROOT, check=True)
        try:
            theirs, ours = results(tree), results(ROOT)
            before, now = (printed(DIGESTS, place) for place in (tree, ROOT))
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", str(tree)], cwd=ROOT, check=True)
    for part, bits in ours.items():
        same = "the same bits" if theirs[part] == bits else "OTHER bits"
        then = before.get(part, before.get(part.partition(" ")[0]))  # version 0.1 had one system
        print(f"{part}: {revision} is {then}, the working tree {now[part]}: {same} ({bits[:16]})")
    return int(theirs != ours)


def results(tree: Path) -> dict[str, str]:
    """The SHA-256 of what the code of a folder computes, by part of the code."""
    with TemporaryDirectory() as folder:
        return printed(PROBE, tree, folder)


def printed(program: str, tree: Path, *arguments: str) -> dict[str, str]:
    """What a program prints as JSON where it is run with the code of a folder."""
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, cwd=tree, stdout=subprocess.PIPE, check=True)
    found: dict[str, str] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
