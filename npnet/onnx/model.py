"""`OnnxModel`, the module that an ONNX file becomes, and the parts that it is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from npnet.nn import Module, Parameter
from npnet.tensor import Tensor

__all__ = ["Info", "OnnxModel", "Op", "Part", "Run"]


class Part(Module):
    """Layers of one name, such as those of `layer1`; the model runs them."""


class Op(Module):
    """A node of the graph that is none of npnet's layers.

    Attributes:
        kind: the operator's name.
    """

    def __init__(
        self,
        kind: str,
        compute: Callable[..., Any],
        text: str = "",
        count: int = 1,
        held: Mapping[int, Tensor | None] | None = None,
    ) -> None:
        """An operator.

        Args:
            compute: takes `count` inputs.
            held: those of them that are constants, by their numbers; None for one that lacks.
        """
        super().__init__()
        self.kind, self.compute, self.text = kind, compute, text
        self.places: list[str | None] = [None] * count
        self.missing = {i for i, value in (held or {}).items() if value is None}
        values = [(i, value) for i, value in (held or {}).items() if value is not None]
        for i, value in values:
            name = "value" if len(values) == 1 else f"value_{i}"
            self.places[i] = name
            if isinstance(value, Parameter):
                self.register_parameter(name, value)
            else:
                self.register_buffer(name, value, persistent=value.numel() > 1)

    def forward(self, *given: Any) -> Any:
        rest = iter(given)
        return self.compute(
            *[
                None if i in self.missing else next(rest) if name is None else getattr(self, name)
                for i, name in enumerate(self.places)
            ]
        )

    def _get_name(self) -> str:
        return self.kind

    def extra_repr(self) -> str:
        numbers = [
            f"{getattr(self, name).item():g}"
            for name in self.places
            if name is not None and getattr(self, name).numel() == 1
        ]
        return ", ".join([*([self.text] if self.text else []), *numbers])


@dataclass(frozen=True)
class Info:
    """An input or a result of a graph.

    Attributes:
        shape: a number, or a name or None where any size is taken; None if it is not said.
    """

    name: str
    dtype: str
    shape: tuple[int | str | None, ...] | None

    def __str__(self) -> str:
        shape = "?" if self.shape is None else ", ".join(str(n or "?") for n in self.shape)
        return f"{self.name}: {self.dtype} ({shape})"


@dataclass
class Run:
    """One step of the forward pass."""

    module: Any
    inputs: list[str]
    outputs: list[str]
    done: list[str]  # values that nobody needs after it


class OnnxModel(Module):
    """A network that was read from an ONNX file.

    Its layers stand in the order in which they run, under the names that their weights have in the
    file where these are readable. Called with the graph's inputs, it gives the graph's result, or a
    tuple of several. It comes in evaluation. Weights of layers are parameters, so that it can be
    fine-tuned; what the file has folded stays folded: a convolution that took in a batch norm is
    trained as one convolution with a bias.

    Attributes:
        inputs, outputs: what the graph takes and gives, see `Info`.
        metadata: the texts of the file by name.
        opset: the version of the operators that the file is written with.
        producer: the tool that wrote it.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model = npnet.onnx.export(nn.Linear(3, 2), f"{folder}/net.onnx", npnet.zeros(1, 3))
        ...     net = npnet.onnx.load(f"{folder}/net.onnx")
        >>> net.opset, net.inputs[0].shape
        (20, ('batch', 3))
    """

    def __init__(
        self,
        inputs: Sequence[Info],
        outputs: Sequence[Info],
        metadata: Mapping[str, str],
        opset: int,
        producer: str,
    ) -> None:
        super().__init__()
        self.inputs, self.outputs = tuple(inputs), tuple(outputs)
        self.metadata, self.opset, self.producer = dict(metadata), opset, producer
        self._runs: list[Run] = []
        self._results: list[str] = []

    def forward(self, *args: Tensor) -> Any:
        if len(args) != len(self.inputs):
            takes = "; ".join(map(str, self.inputs))
            raise TypeError(
                f"OnnxModel: takes {len(self.inputs)} tensors ({takes}), got {len(args)}"
            )
        values: dict[str, Any] = dict(zip([info.name for info in self.inputs], args, strict=True))
        for run in self._runs:
            y = run.module(*[values[name] for name in run.inputs])
            if len(run.outputs) == 1:
                values[run.outputs[0]] = y
            else:
                values.update(zip(run.outputs, y, strict=False))
            for name in run.done:
                del values[name]
        results = [values[name] for name in self._results]
        return results[0] if len(results) == 1 else tuple(results)
