"""What a network is made of, layer by layer, found by running it once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from npnet import Tensor, nn, no_grad, zeros
from npnet.nn.module import RemovableHandle

__all__ = ["Row", "Summary", "summary"]


@dataclass(frozen=True)
class Row:
    """One call of one layer.

    Attributes:
        name: its dotted name in the network; "" for the network itself.
        type: the name of its class.
        output_shape: of one sample, without the batch axis; () where a layer returns no tensor.
        parameters: how many the layer holds; 0 where an earlier row counted them already.
        macs: multiplications with an addition, for one sample; of Conv2d and Linear, which do
            nearly all of them, and 0 for others.
    """

    name: str
    type: str
    output_shape: tuple[int, ...]
    parameters: int
    macs: int


@dataclass(frozen=True)
class Summary:
    """The layers of a network in the order in which they ran, and the totals.

    Attributes:
        network: the name of its class.
        input_shape: of one sample.
        rows: one for each call of a layer.
        parameters: how many values all parameters hold, also those outside the layers of `rows`.
        itemsize: bytes of each value that comes out of a layer.
    """

    network: str
    input_shape: tuple[int, ...]
    rows: tuple[Row, ...]
    parameters: int
    itemsize: int = 4

    @property
    def output_bytes(self) -> int:
        """What all layers give for one sample, in bytes: training keeps about so much of each."""
        return self.itemsize * sum(math.prod(row.output_shape) for row in self.rows)

    @property
    def macs(self) -> int:
        """The multiplications with an addition of one sample, summed over the layers."""
        return sum(row.macs for row in self.rows)

    def __str__(self) -> str:
        """A table of the layers with the totals below, for a terminal or a log file."""
        table = [("layer", "type", "output", "parameters", "MACs")]
        for r in self.rows:
            table.append(
                (r.name, r.type, _size(r.output_shape), _count(r.parameters), _count(r.macs))
            )
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = []
        for name, kind, output, *counts in table:
            texts = [text.ljust(w) for text, w in zip((name, kind, output), widths, strict=False)]
            texts += [count.rjust(w) for count, w in zip(counts, widths[3:], strict=True)]
            lines.append("  ".join(texts))
        lines.insert(1, "-" * len(lines[0]))
        totals = f"{self.parameters:,} parameters, {self.macs:,} MACs for one sample"
        lines.append(f"{self.network} on {_size(self.input_shape)}: {totals}")
        return "\n".join(lines)


def _size(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def _count(number: int) -> str:
    return f"{number:,}" if number else "-"


def summary(model: nn.Module, input_shape: Sequence[int]) -> Summary:
    """Run `model` once on a batch of one zero sample and note what each layer did.

    Nothing of the model is changed: it runs in evaluation, so that batch norm keeps its statistics
    and dropout draws no random numbers, and training is put back as it was, module by module.

    Args:
        input_shape: of a batch, (N, C, H, W) or (N, features); N does not matter.
    """
    rows: list[Row] = []
    counted: set[int] = set()

    def note(name: str, layer: nn.Module, output: Any) -> None:
        new = [p for p in layer.parameters() if id(p) not in counted]
        counted.update(map(id, new))
        kind = type(layer).__name__
        shape = tuple(output.shape[1:]) if isinstance(output, Tensor) else ()
        rows.append(Row(name, kind, shape, sum(p.numel() for p in new), _macs(layer, output)))

    sample = zeros(1, *input_shape[1:], dtype=_dtype(model))
    was_training = [(module, module.training) for module in model.modules()]
    handles = [
        _watch(layer, name, note) for name, layer in model.named_modules() if _is_leaf(layer)
    ]
    try:
        with no_grad():
            model.eval()(sample)
    finally:
        for handle in handles:
            handle.remove()
        for module, training in was_training:
            module.training = training
    total = sum(p.numel() for p in model.parameters())
    shape, itemsize = tuple(input_shape[1:]), sample.dtype.itemsize
    return Summary(type(model).__name__, shape, tuple(rows), total, itemsize)


def _is_leaf(module: nn.Module) -> bool:
    return not any(True for _ in module.children())


def _watch(layer: nn.Module, name: str, note: Any) -> RemovableHandle:
    return layer.register_forward_hook(lambda layer, _args, output: note(name, layer, output))


def _dtype(model: nn.Module) -> Any:
    """The dtype of the model's weights, which its input must have."""
    first = next(model.parameters(), None)
    return None if first is None else first.dtype


def _macs(layer: nn.Module, output: Tensor) -> int:
    """Each value that comes out of a matrix product is a sum over the row of weights behind it."""
    if isinstance(layer, (nn.Conv2d, nn.Linear)):
        return output.numel() * math.prod(layer.weight.shape[1:])
    return 0
