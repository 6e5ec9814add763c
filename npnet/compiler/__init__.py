"""`compile`: the training step of a network as one program over blocks of images."""

from npnet.compiler.step import EagerStep, Step, compile

__all__ = ["EagerStep", "Step", "compile"]
