"""Parameters that are computed of others: a module stands between a parameter and who reads it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from npnet.nn.module import Module
from npnet.nn.modules.container import ModuleDict, ModuleList
from npnet.nn.parameter import Parameter
from npnet.tensor import Tensor

__all__ = [
    "ParametrizationList",
    "cached",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
    "type_before_parametrizations",
]

_cache: dict[tuple[int, str], Any] | None = None


@contextmanager
def cached() -> Iterator[None]:
    """Compute each parametrized tensor once, as long as it lasts.

    Example:
        >>> fc = nn.utils.parametrize.register_parametrization(nn.Linear(3, 2), "weight", nn.Tanh())
        >>> with nn.utils.parametrize.cached():
        ...     fc.weight is fc.weight
        True
    """
    global _cache
    outer, _cache = _cache, {} if _cache is None else _cache
    try:
        yield
    finally:
        _cache = outer


class ParametrizationList(ModuleList):
    """The parametrizations of one tensor, and the original, or originals, they begin with.

    Example:
        >>> layer = nn.utils.parametrizations.weight_norm(nn.Linear(3, 2))
        >>> [name for name, _ in layer.parametrizations.weight.named_parameters()]
        ['original0', 'original1']
    """

    def __init__(
        self,
        modules: Sequence[Module],
        original: Tensor | Parameter,
        unsafe: bool = False,
    ) -> None:
        super().__init__(modules)
        begin: Any = original
        for module in reversed(list(self)):
            if hasattr(module, "right_inverse"):
                begin = module.right_inverse(begin)
        self.is_tensor = isinstance(begin, Tensor)
        self.ntensors = 1 if self.is_tensor else len(begin)
        trained = isinstance(original, Parameter)
        for name, value in self._named_originals(begin):
            detached = value.detach()
            if trained:
                self.register_parameter(name, Parameter(detached, original.requires_grad))
            else:
                self.register_buffer(name, detached)
        if not unsafe:
            after = self()
            if after.shape != original.shape or after.dtype != original.dtype:
                raise ValueError(
                    "register_parametrization: a parametrization must keep shape and dtype; "
                    f"{original.shape} {original.dtype} became {after.shape} {after.dtype}"
                )

    def _named_originals(self, begin: Any) -> list[tuple[str, Tensor]]:
        if self.is_tensor:
            return [("original", begin)]
        return [(f"original{i}", value) for i, value in enumerate(begin)]

    def right_inverse(self, value: Tensor) -> None:
        """Set the originals so that the result is `value`, as far as the modules can."""
        begin: Any = value.detach()
        for module in reversed(list(self)):
            if not hasattr(module, "right_inverse"):
                raise RuntimeError(
                    f"parametrization {type(module).__name__} does not implement right_inverse."
                )
            begin = module.right_inverse(begin)
        for name, part in self._named_originals(begin):
            getattr(self, name).data = part.detach()

    def forward(self) -> Tensor:
        if self.is_tensor:
            x = self.original
            first = 0
        else:
            x = self[0](*[getattr(self, f"original{i}") for i in range(self.ntensors)])
            first = 1
        for module in list(self)[first:]:
            x = module(x)
        return x


def _property(name: str) -> property:
    def get(self: Module) -> Any:
        parametrizations: Any = self.parametrizations[name]
        if _cache is None:
            return parametrizations()
        key = (id(self), name)
        if key not in _cache:
            _cache[key] = parametrizations()
        return _cache[key]

    def put(self: Module, value: Tensor) -> None:
        self.parametrizations[name].right_inverse(value)

    return property(get, put)


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether a module has parametrizations, or those of one tensor.

    Example:
        >>> layer = nn.utils.parametrizations.weight_norm(nn.Linear(3, 2))
        >>> nn.utils.parametrize.is_parametrized(layer, "bias")
        False
    """
    found = module._modules.get("parametrizations")
    if found is None:
        return False
    return len(found) > 0 if tensor_name is None else tensor_name in found


def type_before_parametrizations(module: Module) -> type[Module]:
    """The class that a module had before its first parametrization.

    Example:
        >>> layer = nn.utils.parametrizations.weight_norm(nn.Linear(3, 2))
        >>> nn.utils.parametrize.type_before_parametrizations(layer).__name__
        'Linear'
    """
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Let `module.<tensor_name>` be what `parametrization` makes of it, wherever it is read.

    The original stays a parameter, as `module.parametrizations.<tensor_name>.original`; where the
    parametrization has a `right_inverse`, what that gives of it. A second one is applied to the
    result of the first.

    Args:
        unsafe: do not check that shape and dtype are kept.

    Raises:
        ValueError: the module has no parameter or buffer of that name, or shape or dtype is not
            kept.

    Example:
        >>> fc = nn.utils.parametrize.register_parametrization(nn.Linear(3, 2), "weight", nn.ReLU())
        >>> bool((fc.weight >= 0).all())
        True
        >>> [name for name, _ in fc.named_parameters()]
        ['bias', 'parametrizations.weight.original']
    """
    if is_parametrized(module, tensor_name):
        known: Any = module.parametrizations[tensor_name]
        if hasattr(parametrization, "right_inverse"):
            known.right_inverse(parametrization.right_inverse(getattr(module, tensor_name)))
        known.append(parametrization)
        return module
    if tensor_name not in module._buffers and tensor_name not in module._parameters:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element "
            f"with name '{tensor_name}'"
        )
    original = getattr(module, tensor_name)
    made = ParametrizationList([parametrization], original, unsafe)
    delattr(module, tensor_name)
    if not is_parametrized(module):
        kind = type(module)
        module.__class__ = type(f"Parametrized{kind.__name__}", (kind,), {})
        module.parametrizations = ModuleDict()
    setattr(type(module), tensor_name, _property(tensor_name))
    module.parametrizations[tensor_name] = made
    return module


def remove_parametrizations(
    module: Module, tensor_name: str, leave_parametrized: bool = True
) -> Module:
    """Make a tensor an ordinary one again.

    Args:
        leave_parametrized: with the value that was read last; False takes the original's.

    Raises:
        ValueError: the tensor has no parametrization; or there are several originals, and
            leave_parametrized is False.

    Example:
        >>> fc = nn.utils.parametrize.register_parametrization(nn.Linear(3, 2), "weight", nn.ReLU())
        >>> nn.utils.parametrize.remove_parametrizations(fc, "weight")
        Linear(in_features=3, out_features=2, bias=True)
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    made: Any = module.parametrizations[tensor_name]
    if not made.is_tensor and not leave_parametrized:
        raise ValueError("Cannot leave unparametrized: there are several originals")
    value = getattr(module, tensor_name) if leave_parametrized else made.original
    trained = "original" in made._parameters or "original0" in made._parameters
    value = value.detach().clone()
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    if not is_parametrized(module):
        del module._modules["parametrizations"]
        module.__class__ = type(module).__bases__[0]
    if trained:
        module.register_parameter(tensor_name, Parameter(value))
    else:
        module.register_buffer(tensor_name, value)
    return module
