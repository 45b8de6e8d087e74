"""Labels that are a verb and a noun: what a figure does, and what it holds in its hand meanwhile.

The verbs are actions of actions.py that come in twos which pass through the same poses in opposite order, so that a
single frame leaves at least two verbs. Each noun has a shape and a colour of its own; every frame shows them, unless
the hand leaves the picture, and no joint does. Every verb goes with every noun equally often, and the figure moves the
same whatever it holds. So a system that reads joints alone can learn the verbs and has to guess the noun, and a system
that reads single frames can learn the nouns and has to guess between two verbs.

There are 6 verbs and 3 nouns because 18 pairs are as many as the presets have clips for: of the 600 of `quick` each
pair gets 22 training clips, each verb 66 and each noun 132; of the 60 of `smoke` each pair gets two, without which its
training clips could not be divided for validation.
"""

from dataclasses import replace

from d3d.data.clip import LabelPart
from d3d.data.synthetic.actions import ACTIONS, Held

VERBS = ("draw_back", "throw", "lower_arms", "raise_arms", "sit_down", "stand_up")
NOUNS = {  # in colours that the figure does not have
    "green_ball": Held("ball", (40, 200, 60)),
    "purple_stick": Held("stick", (200, 40, 200)),
    "white_box": Held("box", (250, 250, 250)),
}

PAIRS = {f"{verb} {noun}": replace(ACTIONS[verb], held=held) for verb in VERBS for noun, held in NOUNS.items()}
PARTS = (
    LabelPart("verb", VERBS, tuple(index // len(NOUNS) for index in range(len(PAIRS)))),
    LabelPart("noun", tuple(NOUNS), tuple(index % len(NOUNS) for index in range(len(PAIRS)))),
)
