"""Left and right of joints that annotators named as the camera sees them."""

import hashlib
from dataclasses import replace

from d3d.data.clip import Clip, Dataset
from d3d.errors import ConfigError


def exchange_sides(dataset: Dataset) -> Dataset:
    """The same clips, in which every left joint has the place of its right counterpart, and the other way round.

    Penn Action's left is the left of the picture, J-HMDB's that of the person. A model that is trained on one and then
    on the other has to be told. Raises ConfigError where it is not known which joints are counterparts.
    """
    order = dataset.mirrored
    if order is None:
        raise ConfigError(
            f"data.sides=exchanged: it is not known which of the {len(dataset.joint_names)} joints of {dataset.name} "
            "are left and right; describe them in a file that data.skeleton names, or leave data.sides out"
        )
    joints = list(order)

    def exchanged(clip: Clip) -> Clip:
        return replace(clip, joints=clip.joints[:, joints], visible=clip.visible[:, joints])

    return replace(
        dataset,
        train=tuple(map(exchanged, dataset.train)),
        test=tuple(map(exchanged, dataset.test)),
        digest=hashlib.sha256(f"{dataset.digest} sides exchanged".encode()).hexdigest(),
    )
