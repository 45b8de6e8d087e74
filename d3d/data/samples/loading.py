"""Batches of clips, read in this process or in several beside it."""

from collections.abc import Iterator

from torch.utils.data import DataLoader

from d3d.data.batch import Labelled
from d3d.data.samples.clip_samples import ClipSamples
from d3d.errors import DataError


def load_batches(samples: ClipSamples, batch_size: int, workers: int, *, shuffle: bool = False) -> Iterator[Labelled]:
    """Every sample once, in ⌈N / batch_size⌉ batches. Raises the DataError of a clip that cannot be read.

    Args:
        samples: the N clips.
        batch_size: clips in a batch; the last batch may have fewer.
        workers: processes that read clips; with 0 this process reads them.
        shuffle: draw the order from torch's generator instead of keeping that of the samples.
    """
    loader = DataLoader(samples, batch_size, shuffle=shuffle, collate_fn=samples.collate, num_workers=workers)
    try:
        yield from loader
    except DataError as error:
        if not workers:
            raise
        # torch raises an error of another process with its traceback as the message; the last line is the original.
        message = error.args[0].strip().splitlines()[-1]
        raise DataError(message.partition(f"{DataError.__name__}: ")[2]) from error
