"""The model: one idea a file, named as the paper names it."""

from d3d.model.transformer import D3DTransformer

__all__ = ["D3DTransformer"]
