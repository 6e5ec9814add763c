"""Pruning: parameters times masks of zeros and ones, by a hook before forward.

A pruned parameter "weight" becomes the parameter "weight_orig", the buffer "weight_mask", and the
attribute weight = weight_orig * weight_mask, which is computed before each forward pass, so that
what is cut off stays 0 while the rest is trained.

Source: Han et al. (2015), arXiv:1506.02626; Li et al. (2017), arXiv:1608.08710, for channels.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar, TypeVar

import numpy as np

from npnet import creation
from npnet.base.checks import ShapeError
from npnet.base.grad_mode import no_grad
from npnet.nn.module import Module
from npnet.nn.utils.convert_parameters import parameters_to_vector
from npnet.ops import arithmetic, norms
from npnet.random import default_generator
from npnet.tape import result
from npnet.tensor import Tensor

__all__ = [
    "BasePruningMethod",
    "CustomFromMask",
    "Identity",
    "L1Unstructured",
    "LnStructured",
    "PruningContainer",
    "RandomStructured",
    "RandomUnstructured",
    "custom_from_mask",
    "global_unstructured",
    "identity",
    "is_pruned",
    "l1_unstructured",
    "ln_structured",
    "random_structured",
    "random_unstructured",
    "remove",
]

M = TypeVar("M", bound=Module)


class BasePruningMethod(ABC):
    """The hook, and one way to choose what is cut off; derive from it for one's own.

    Attributes:
        PRUNING_TYPE: what `compute_mask` is given of a parameter that was pruned before:
            "unstructured", the entries that are left, as a vector; "structured", the channels along
            `self.dim` of which something is left; "global", all of it.

    Example:
        >>> from npnet.nn.utils import prune
        >>> class Negative(prune.BasePruningMethod):
        ...     PRUNING_TYPE = "unstructured"
        ...     def compute_mask(self, t, default_mask):
        ...         return default_mask * (t >= 0)
        >>> layer = nn.Linear(3, 2)
        >>> _ = Negative.apply(layer, "weight")
        >>> bool((layer.weight >= 0).all())
        True
    """

    PRUNING_TYPE: ClassVar[str] = "global"
    _tensor_name: str

    @abstractmethod
    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask for `t`, of its shape; `default_mask` is 0 where it was pruned before."""

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self._tensor_name, self.apply_mask(module))

    def apply_mask(self, module: Module) -> Tensor:
        """The parameter as it is, times its mask."""
        original = getattr(module, f"{self._tensor_name}_orig")
        mask = getattr(module, f"{self._tensor_name}_mask")
        return arithmetic.mul(original, mask.to(original.dtype))

    def prune(
        self,
        t: Tensor,
        default_mask: Tensor | None = None,
        importance_scores: Tensor | None = None,
    ) -> Tensor:
        """`t` with zeros where the method, by `importance_scores` or `t` itself, cuts off."""
        scores = t if importance_scores is None else importance_scores
        _check_shape("importance_scores", scores, t)
        before = creation.ones_like(t) if default_mask is None else default_mask
        return arithmetic.mul(t, self.compute_mask(scores, before.detach().clone()))

    @classmethod
    def apply(
        cls,
        module: Module,
        name: str,
        *args: Any,
        importance_scores: Tensor | None = None,
        **kwargs: Any,
    ) -> Any:
        """Prune a parameter, or what earlier pruning left of it, and return the hook.

        Raises:
            ShapeError: the scores have not the parameter's shape.
            What the method raises; nothing is changed then.
        """
        method = cls(*args, **kwargs)
        method._tensor_name = name
        original = getattr(module, name)
        scores = original if importance_scores is None else importance_scores
        _check_shape("importance_scores", scores, original)
        place, before = _hook_of(module, name)
        if before is None:
            mask = method.compute_mask(scores.detach(), creation.ones_like(original).detach())
            parameter = module._parameters.pop(name)
            module.register_parameter(f"{name}_orig", parameter)
            hook: BasePruningMethod = method
        else:
            hook = _with(before, method)
            mask = hook.compute_mask(scores.detach(), getattr(module, f"{name}_mask").clone())
            del module._forward_pre_hooks[place]
        module.register_buffer(f"{name}_mask", mask)
        hook(module, None)
        module.register_forward_pre_hook(hook)
        return hook

    def remove(self, module: Module) -> None:
        """Make the pruned values the parameter again. The hook is the caller's to take off."""
        name = self._tensor_name
        parameter = module._parameters[f"{name}_orig"]
        assert parameter is not None
        with no_grad():
            parameter.data = self.apply_mask(module)
        del module._parameters[f"{name}_orig"], module._buffers[f"{name}_mask"]
        vars(module).pop(name, None)
        module.register_parameter(name, parameter)


def _check_shape(what: str, given: Tensor, t: Tensor) -> None:
    if given.shape != t.shape:
        raise ShapeError(f"prune: {what} must be {tuple(t.shape)}, got {tuple(given.shape)}")


def _hook_of(module: Module, name: str) -> tuple[Any, BasePruningMethod | None]:
    """Where among a module's hooks the one that prunes a parameter stands, and it."""
    for key, (hook, _) in module._forward_pre_hooks.items():
        if isinstance(hook, BasePruningMethod) and hook._tensor_name == name:
            return key, hook
    return None, None


class PruningContainer(BasePruningMethod):
    """Several methods, one after the other: each is given what those before have left.

    Example:
        >>> from npnet.nn.utils import prune
        >>> layer = nn.Linear(3, 2)
        >>> for _ in range(2):
        ...     layer = prune.l1_unstructured(layer, "weight", amount=0.5)
        >>> int((layer.weight == 0).sum())
        5
    """

    def __init__(self, *args: Any) -> None:
        self._pruning_methods: tuple[BasePruningMethod, ...] = ()
        methods = args if all(isinstance(m, BasePruningMethod) for m in args) else args[0]
        if methods:
            self._tensor_name = methods[0]._tensor_name
        for method in methods:
            self.add_pruning_method(method)

    def add_pruning_method(self, method: Any) -> None:
        """Append a method for the same parameter."""
        if not isinstance(method, BasePruningMethod):
            raise TypeError(f"prune: {type(method).__name__} is no BasePruningMethod")
        if method._tensor_name != self._tensor_name:
            raise ValueError(
                f"prune: all methods of a container must be for '{self._tensor_name}', got one for "
                f"'{method._tensor_name}'"
            )
        self._pruning_methods += (method,)

    def __len__(self) -> int:
        return len(self._pruning_methods)

    def __iter__(self) -> Iterator[BasePruningMethod]:
        return iter(self._pruning_methods)

    def __getitem__(self, idx: int) -> BasePruningMethod:
        return self._pruning_methods[idx]

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask so far with the latest method's, of what is left, written into it."""
        method, mask = self._pruning_methods[-1], default_mask.to(t.dtype).clone()
        left = _left(method, default_mask)
        part = method.compute_mask(t[left], default_mask=default_mask[left])
        mask[left] = part.to(mask.dtype)
        return mask


def _with(before: BasePruningMethod, method: BasePruningMethod) -> PruningContainer:
    """Both methods, or all of a container and one more; the hook that stands stays as it is."""
    methods = [*before] if isinstance(before, PruningContainer) else [before]
    return PruningContainer(*methods, method)


def _left(method: BasePruningMethod, mask: Tensor) -> Any:
    """The index of what a method is given of a parameter with this mask."""
    if method.PRUNING_TYPE == "unstructured":
        return mask == 1
    if method.PRUNING_TYPE == "structured":
        dim: int = getattr(method, "dim")  # noqa: B009  # of every structured method
        others = tuple(axis for axis in range(mask.ndim) if axis != _axis(dim, mask))
        kept = np.flatnonzero(mask.array.sum(axis=others))
        return (slice(None),) * _axis(dim, mask) + (result(kept),)
    if method.PRUNING_TYPE == "global":
        return ...
    raise ValueError(f"Unrecognized PRUNING_TYPE {method.PRUNING_TYPE}")


class Identity(BasePruningMethod):
    """Cuts nothing off: a mask of ones.

    Example:
        >>> from npnet.nn.utils import prune
        >>> prune.Identity().prune(npnet.tensor([5.0, 6.0]))
        tensor([5., 6.])
    """

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        return default_mask


class _Amount(BasePruningMethod):
    """How many entries, or channels, are cut off: a whole number, or a part of all from 0 to 1."""

    amount: Any

    def __init__(self, amount: Any) -> None:
        if not isinstance(amount, (int, float, np.integer, np.floating)):
            raise TypeError(f"Invalid type for amount: {amount}. Must be int or float.")
        if amount < 0 or (amount > 1 and not isinstance(amount, (int, np.integer))):
            raise ValueError(
                f"amount={amount} should either be a float in the range [0, 1] or a non-negative "
                "integer"
            )
        self.amount = amount

    def _count(self, size: int) -> int:
        if not isinstance(self.amount, (int, np.integer)):
            return round(self.amount * size)
        if self.amount > size:
            raise ValueError(
                f"amount={self.amount} should be smaller than the number of parameters to "
                f"prune={size}"
            )
        return int(self.amount)


class _Unstructured(_Amount):
    """Cuts off the entries that score least."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        count = self._count(t.numel())
        mask = default_mask.array.copy().reshape(-1)
        if count:
            mask[_least(self._scores(t).reshape(-1), count)] = 0
        return result(mask.reshape(t.shape))

    @abstractmethod
    def _scores(self, t: Tensor) -> Any: ...


def _least(scores: Any, count: int) -> Any:
    """Where the `count` smallest stand; of equal ones the first."""
    return np.argsort(scores, kind="stable")[:count]


class RandomUnstructured(_Unstructured):
    """Cuts off any entries.

    Raises:
        ValueError: amount is no share from 0 to 1 and no count, or more than there are entries.
        TypeError: amount is no number.

    Example:
        >>> from npnet.nn.utils import prune
        >>> prune.RandomUnstructured(amount=0.25).prune(npnet.ones(100)).sum()
        tensor(75.)
    """

    def _scores(self, t: Tensor) -> Any:
        return default_generator.numpy.random(t.shape, np.float32)


class L1Unstructured(_Unstructured):
    """Cuts off the entries of least magnitude.

    Raises:
        ValueError: amount is no share from 0 to 1 and no count, or more than there are entries.
        TypeError: amount is no number.

    Example:
        >>> from npnet.nn.utils import prune
        >>> prune.L1Unstructured(amount=0.5).prune(npnet.tensor([1.0, -4.0, 2.0, 3.0]))
        tensor([ 0., -4.,  0.,  3.])
    """

    def _scores(self, t: Tensor) -> Any:
        return np.abs(t.array)


class _Structured(_Amount):
    """Cuts off the channels along `dim` that score least."""

    PRUNING_TYPE = "structured"

    def __init__(self, amount: float, dim: int = -1) -> None:
        super().__init__(amount)
        self.dim = dim

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        if t.ndim < 2:
            raise ValueError(
                "Structured pruning can only be applied to multidimensional tensors. Found tensor "
                f"of shape {tuple(t.shape)} with {t.ndim} dims"
            )
        axis = _axis(self.dim, t)
        count = self._count(t.shape[axis])
        if not count:
            return default_mask
        mask = default_mask.array.copy()
        mask[(slice(None),) * axis + (_least(self._scores(t, axis), count),)] = 0
        return result(mask)

    @abstractmethod
    def _scores(self, t: Tensor, axis: int) -> Any: ...


def _axis(dim: int, t: Tensor) -> int:
    if not -t.ndim <= dim < t.ndim:
        raise IndexError(f"Invalid index {dim} for tensor of size {tuple(t.shape)}")
    return dim % t.ndim


class RandomStructured(_Structured):
    """Cuts off any channels.

    Raises:
        ValueError: the tensor has but one axis, or amount is no share from 0 to 1 and no count, or
            more than there are channels.
        IndexError: there is no axis `dim`.

    Example:
        >>> from npnet.nn.utils import prune
        >>> prune.RandomStructured(amount=2, dim=1).prune(npnet.ones(1, 5)).sum()
        tensor(3.)
    """

    def _scores(self, t: Tensor, axis: int) -> Any:
        return default_generator.numpy.random(t.shape[axis], np.float32)


class LnStructured(_Structured):
    """Cuts off the channels of least n-norm; n as of `npnet.norm`.

    Raises:
        ValueError: the tensor has but one axis, or amount is no share from 0 to 1 and no count, or
            more than there are channels.
        IndexError: there is no axis `dim`.

    Example:
        >>> from npnet.nn.utils import prune
        >>> prune.LnStructured(amount=1, n=2, dim=0).prune(npnet.tensor([[3.0, 4.0], [0.0, 6.0]]))
        tensor([[0., 0.],
                [0., 6.]])
    """

    def __init__(self, amount: float, n: Any, dim: int = -1) -> None:
        super().__init__(amount, dim)
        self.n = n

    def _scores(self, t: Tensor, axis: int) -> Any:
        others = [a for a in range(t.ndim) if a != axis]
        return norms.norm(t.detach(), self.n, others).array


class CustomFromMask(BasePruningMethod):
    """Cuts off where a mask is 0.

    Raises:
        ShapeError: the mask is not of the parameter's shape.

    Example:
        >>> from npnet.nn.utils import prune
        >>> prune.CustomFromMask(npnet.tensor([1, 0])).prune(npnet.tensor([5.0, 6.0]))
        tensor([5., 0.])
    """

    def __init__(self, mask: Tensor) -> None:
        self.mask = mask

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        _check_shape("the mask", self.mask, default_mask)
        return arithmetic.mul(default_mask, self.mask.to(default_mask.dtype))


def identity(module: M, name: str) -> M:
    """Give a parameter a mask of ones.

    Raises:
        AttributeError: the module has no such parameter.

    Example:
        >>> from npnet.nn.utils import prune
        >>> prune.identity(nn.Linear(3, 2), "bias").bias_mask
        tensor([1., 1.])
    """
    Identity.apply(module, name)
    return module


def random_unstructured(module: M, name: str, amount: float) -> M:
    """Cut off any `amount` of a parameter's entries: so many, or a part of all from 0 to 1.

    Raises:
        ValueError: amount is no share from 0 to 1 and no count, or more than there are entries.
        TypeError: amount is no number.
        AttributeError: the module has no such parameter.

    Example:
        >>> from npnet.nn.utils import prune
        >>> layer = prune.random_unstructured(nn.Linear(4, 2), "weight", amount=3)
        >>> int((layer.weight == 0).sum())
        3
    """
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(
    module: M, name: str, amount: float, importance_scores: Tensor | None = None
) -> M:
    """Cut off the entries of a parameter of least magnitude, or of least score.

    Raises:
        ValueError: amount is no share from 0 to 1 and no count, or more than there are entries.
        ShapeError: importance_scores are not of the parameter's shape.
        AttributeError: the module has no such parameter.

    Example:
        >>> from npnet.nn.utils import prune
        >>> layer = prune.l1_unstructured(nn.Linear(4, 2), "weight", amount=0.5)
        >>> int((layer.weight == 0).sum())
        4
        >>> sorted(layer.state_dict())
        ['bias', 'weight_mask', 'weight_orig']
    """
    L1Unstructured.apply(module, name, amount, importance_scores=importance_scores)
    return module


def random_structured(module: M, name: str, amount: float, dim: int) -> M:
    """Cut off any channels along `dim` of a parameter.

    Raises:
        ValueError: the tensor has but one axis, or amount is no share from 0 to 1 and no count, or
            more than there are channels.
        IndexError: there is no axis `dim`.

    Example:
        >>> from npnet.nn.utils import prune
        >>> layer = prune.random_structured(nn.Linear(4, 3), "weight", amount=2, dim=1)
        >>> int((layer.weight == 0).all(0).sum())
        2
    """
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(
    module: M,
    name: str,
    amount: float,
    n: Any,
    dim: int,
    importance_scores: Tensor | None = None,
) -> M:
    """Cut off the channels along `dim` of a parameter, or of the scores, of least n-norm.

    Raises:
        ValueError: the tensor has but one axis, or amount is no share from 0 to 1 and no count, or
            more than there are channels.
        IndexError: there is no axis `dim`.

    Example:
        >>> from npnet.nn.utils import prune
        >>> layer = prune.ln_structured(nn.Linear(4, 3), "weight", amount=1, n=2, dim=0)
        >>> int((layer.weight == 0).all(1).sum())
        1
    """
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def custom_from_mask(module: M, name: str, mask: Tensor) -> M:
    """Cut off the entries of a parameter where a mask of its shape is 0.

    Raises:
        ShapeError: the mask is not of the parameter's shape.

    Example:
        >>> from npnet.nn.utils import prune
        >>> layer = prune.custom_from_mask(nn.Linear(3, 2), "bias", npnet.tensor([0, 1]))
        >>> float(layer.bias[0])
        0.0
    """
    CustomFromMask.apply(module, name, mask)
    return module


def global_unstructured(
    parameters: Iterable[tuple[Module, str]],
    pruning_method: Callable[..., Any],
    importance_scores: dict[tuple[Module, str], Tensor] | None = None,
    **kwargs: Any,
) -> None:
    """Cut off of several parameters together what scores least among all of their entries.

    Args:
        parameters: pairs (module, name).
        pruning_method: a class of PRUNING_TYPE "unstructured", such as `L1Unstructured`.
        importance_scores: by such a pair, in place of the parameter's own values.
        kwargs: of the method, such as `amount`.

    Raises:
        TypeError: the method is not "unstructured", or importance_scores are no dict.
        ValueError: amount is more than there are entries.

    Example:
        >>> from npnet.nn.utils import prune
        >>> model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
        >>> pairs = [(layer, "weight") for layer in model]
        >>> prune.global_unstructured(pairs, prune.L1Unstructured, amount=5)
        >>> sum(int((layer.weight == 0).sum()) for layer in model)
        5
    """
    pairs, given = list(parameters), importance_scores or {}
    if not isinstance(given, dict):
        raise TypeError("global_unstructured(): importance_scores must be of type dict")
    values = [getattr(module, name) for module, name in pairs]
    scores = parameters_to_vector(
        [given.get(pair, value) for pair, value in zip(pairs, values, strict=True)]
    ).detach()
    masks = [
        getattr(module, f"{name}_mask", creation.ones_like(value))
        for (module, name), value in zip(pairs, values, strict=True)
    ]
    method: Any = pruning_method(**kwargs)
    if method.PRUNING_TYPE != "unstructured":
        raise TypeError(
            'Only "unstructured" PRUNING_TYPE supported for the `pruning_method`. Found method '
            f"{pruning_method} of type {method.PRUNING_TYPE}"
        )
    container = PruningContainer()
    container._tensor_name = method._tensor_name = "temp"
    container.add_pruning_method(method)
    found = container.compute_mask(scores, parameters_to_vector(masks).detach()).array
    at = 0
    for (module, name), value in zip(pairs, values, strict=True):
        part = found[at : at + value.numel()].reshape(value.shape)
        custom_from_mask(module, name, result(part.copy()))
        at += value.numel()


def remove(module: M, name: str) -> M:
    """Take the mask off for good: the parameter keeps its zeros, and is trained as a whole.

    Raises:
        ValueError: the parameter was not pruned.

    Example:
        >>> from npnet.nn.utils import prune
        >>> layer = prune.l1_unstructured(nn.Linear(4, 2), "weight", amount=0.5)
        >>> list(prune.remove(layer, "weight").state_dict())
        ['bias', 'weight']
    """
    place, hook = _hook_of(module, name)
    if hook is None:
        raise ValueError(
            f"Parameter '{name}' of module {module} has to be pruned before pruning can be removed"
        )
    hook.remove(module)
    del module._forward_pre_hooks[place]
    return module


def is_pruned(module: Module) -> bool:
    """Whether the module or one inside has a parameter with a mask.

    Example:
        >>> from npnet.nn.utils import prune
        >>> prune.is_pruned(nn.Linear(3, 2))
        False
    """
    return any(
        isinstance(hook, BasePruningMethod)
        for m in module.modules()
        for hook, _ in m._forward_pre_hooks.values()
    )
