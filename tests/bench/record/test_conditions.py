import platform

import pytest
import torch

from d3d.bench.record.conditions import SEVERAL, conditions, joined
from d3d.bench.record.schema import ENVIRONMENT_PREFIX


def test_what_a_cpu_run_depends_on_is_there_and_every_part_can_be_named() -> None:
    found = {key.removeprefix(ENVIRONMENT_PREFIX): value for key, value in conditions(torch.device("cpu"), 3).items()}
    assert found.keys() == SEVERAL.keys() - {"cuda", "driver"}
    assert found["torch"] == torch.__version__
    assert found["python"] == platform.python_version()
    assert (found["threads"], found["autocast"]) == ("3", "none")
    assert found["processor"].strip()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_run_names_the_gpu_and_its_versions() -> None:
    found = conditions(torch.device("cuda"), 1)
    assert found["environment.processor"] == torch.cuda.get_device_name()
    assert found["environment.cuda"] == torch.version.cuda
    assert found["environment.autocast"] == "bfloat16"


def test_values_are_joined_once_each_and_other_tags_left_alone() -> None:
    before = {"environment.torch": "2.10.0+cpu + 2.11.0+cpu", "environment.driver": "1", "seed": "0"}
    both = joined(before, {"environment.torch": "2.10.0+cpu", "environment.threads": "2", "seed": "1"})
    assert both == {
        "environment.torch": "2.10.0+cpu + 2.11.0+cpu",
        "environment.driver": "1",
        "environment.threads": "2",
    }
