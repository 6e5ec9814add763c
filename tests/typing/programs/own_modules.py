"""Modules, a function with its own gradient, hooks, and files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import npnet
import npnet.nn.functional as F
from npnet import Tensor, nn, optim
from npnet.autograd import Function
from npnet.nn import Parameter

if TYPE_CHECKING:
    from typing_extensions import assert_type


class Scale(nn.Module):
    scale: Parameter
    steps: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.scale = Parameter(npnet.ones(features))
        self.register_buffer("steps", npnet.zeros(1))

    def forward(self, x: Tensor, shift: float = 0.0) -> Tensor:
        return x * self.scale + shift


class Pair(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([nn.Linear(3, 3), Scale(3)])
        self.named = nn.ModuleDict({"norm": nn.BatchNorm1d(3)})
        self.drop = nn.Dropout(0.5)
        self.rnn = nn.LSTM(3, 4, batch_first=True)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        for block in self.blocks:
            x = block(x)
        x = self.drop(self.named["norm"](x))
        sequence, (hidden, _) = self.rnn(x.unsqueeze(1))
        return sequence.squeeze(1), hidden


class Square(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x**2

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        result: Tensor = 2 * x * gy
        return result


def main(folder: Path) -> None:
    scale = Scale(3)
    pair = Pair()
    y, hidden = pair(npnet.randn(4, 3))
    if TYPE_CHECKING:
        assert_type(scale(npnet.ones(2, 3), shift=1.0), Tensor)
        assert_type(hidden, Tensor)
    optimizer = optim.AdamW(
        [{"params": pair.blocks.parameters()}, {"params": pair.rnn.parameters(), "lr": 1e-3}],
        lr=1e-2,
    )
    scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=10)
    handle = pair.drop.register_forward_hook(lambda module, args, output: None)
    loss = F.mse_loss(y, npnet.zeros_like(y)) + hidden.abs().mean()
    loss.backward()
    norm = nn.utils.clip_grad_norm_(pair.parameters(), 1.0)
    optimizer.step()
    scheduler.step()
    handle.remove()
    x = npnet.tensor([1.0, 2.0], requires_grad=True)
    Square.apply(x).sum().backward()
    assert x.grad is not None
    print(float(norm), x.grad.tolist(), pair.named["norm"], dict(pair.named_children()))
    npnet.save({"model": pair.state_dict(), "optimizer": optimizer.state_dict()}, folder / "x")
    saved = npnet.load(folder / "x", weights_only=True)
    pair.load_state_dict(saved["model"])
    optimizer.load_state_dict(saved["optimizer"])
    for group in optimizer.param_groups:
        group["lr"] *= 0.5
    compiled = npnet.compile(pair.eval())
    print(compiled(npnet.zeros(1, 3)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
