"""Training stopped, stored and taken up again; an optimizer written by hand."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


class HandmadeAdam(Optimizer):
    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        defaults = dict(lr=lr, betas=betas, eps=eps)
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if len(state) == 0:
                    state["step"] = 0
                    state["exp_avg"] = torch.zeros_like(p)
                    state["exp_avg_sq"] = torch.zeros_like(p.data)
                state["step"] += 1
                exp_avg, exp_avg_sq = state["exp_avg"], state["exp_avg_sq"]
                exp_avg.mul_(beta1).add_(p.grad, alpha=1 - beta1)
                exp_avg_sq.mul_(beta2).addcmul_(p.grad, p.grad, value=1 - beta2)
                correction1 = 1 - beta1 ** state["step"]
                correction2 = 1 - beta2 ** state["step"]
                denom = (exp_avg_sq.sqrt() / correction2**0.5).add_(group["eps"])
                p.addcdiv_(exp_avg, denom, value=-group["lr"] / correction1)
        return loss


def make_model():
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 16), nn.BatchNorm1d(16), nn.Tanh(), nn.Linear(16, 10)
    )


def train(model, optimizer, scheduler, x, y, steps):
    losses = []
    for _ in range(steps):

        def closure():
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            return loss

        losses.append(optimizer.step(closure).item())
        scheduler.step()
    return losses


def main(images, labels, start, folder):
    x, y = torch.Tensor(images), torch.tensor(labels)
    model = make_model()
    start(model)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2, amsgrad=True)
    scheduler = LambdaLR(optimizer, lr_lambda=lambda epoch: 0.9**epoch)
    first = train(model, optimizer, scheduler, x, y, 3)
    torch.save(
        {
            "epoch": 3,
            "model_state_dict": model.state_dict(),
            "optimizer_state_dict": optimizer.state_dict(),
            "scheduler_state_dict": scheduler.state_dict(),
            "loss": first[-1],
        },
        folder / "checkpoint.tar",
    )
    straight = train(model, optimizer, scheduler, x, y, 3)

    model = make_model()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2, amsgrad=True)
    scheduler = LambdaLR(optimizer, lr_lambda=lambda epoch: 0.9**epoch)
    checkpoint = torch.load(folder / "checkpoint.tar", map_location="cpu")
    model.load_state_dict(checkpoint["model_state_dict"])
    optimizer.load_state_dict(checkpoint["optimizer_state_dict"])
    scheduler.load_state_dict(checkpoint["scheduler_state_dict"])
    assert checkpoint["epoch"] == 3 and checkpoint["loss"] == first[-1]
    model.train()
    resumed = train(model, optimizer, scheduler, x, y, 3)
    assert resumed == straight

    by_hand = HandmadeAdam(model.parameters(), lr=1e-2)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(by_hand, factor=0.5, patience=0)
    last = []
    for _ in range(4):
        by_hand.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        by_hand.step()
        plateau.step(1.0)
        last.append((loss.item(), by_hand.param_groups[0]["lr"]))
    return {"first": first, "straight": straight, "last": last}
