"""A forward pass, in the precision that suits the device."""

import torch
from torch import Tensor, nn

from d3d.data.batch import Batch


def autocast_dtype(device: torch.device) -> torch.dtype | None:
    """The type that matrix products and convolutions are computed in: bfloat16 on a GPU; None elsewhere, float32."""
    return torch.bfloat16 if device.type == "cuda" else None


def predict(model: nn.Module, batch: Batch, device: torch.device) -> Tensor:
    """Moves B clips to the device and returns their logits, B×K float32; see `autocast_dtype`."""
    dtype = autocast_dtype(device)
    with torch.autocast(device.type, dtype=dtype, enabled=dtype is not None):
        logits: Tensor = model(batch.to(device))
    return logits.float()
