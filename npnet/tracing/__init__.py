"""What a forward pass computes, as ops in order: what ONNX files and web pages are written from."""

from npnet.tracing.forward import Leaf, Ref, Size, Step, Trace, evaluating, flat, like, trace

__all__ = ["Leaf", "Ref", "Size", "Step", "Trace", "evaluating", "flat", "like", "trace"]
