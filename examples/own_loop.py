"""A training loop by hand: clipping, schedule, average, early stopping, checkpoints.

    python examples/own_loop.py                                 all at once, then in two halves
    python examples/own_loop.py --checkpoint run.safetensors    goes on from there, if it is there

A loop that was stopped and goes on from its checkpoint ends with the weights of one that was not,
to the bit. That takes all that is saved below; the order of the images follows from the epoch.
"""

from __future__ import annotations

import argparse
import os
import tempfile

import npnet
from npnet import datasets, models, nn, optim
from npnet.nn import functional as F
from npnet.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

PATIENCE = 5  # epochs without a lower validation loss


def train(epochs: int, stop_after: int, checkpoint: str) -> nn.Module:
    data = datasets.load("digits")
    x = F.interpolate(npnet.from_numpy(data.x_train).float() / 255 - 0.3, size=(32, 32))
    y = npnet.from_numpy(data.y_train)
    x, y, x_val, y_val = x[300:], y[300:], x[:300], y[:300]
    npnet.manual_seed(0)
    model = models.LeNet5()
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    parts = {"model": model, "average": average, "optimizer": optimizer, "schedule": schedule}
    epoch, best, waited = 0, float("inf"), 0
    if os.path.exists(checkpoint):
        saved = npnet.load(checkpoint)
        for name, part in parts.items():
            part.load_state_dict(saved[name])
        epoch, best, waited = saved["progress"]
        print(f"goes on after epoch {epoch}")
    step = npnet.compile(model, F.cross_entropy, optimizer)
    while epoch < stop_after and waited < PATIENCE:
        order = npnet.randperm(len(x), generator=npnet.Generator().manual_seed(epoch))
        for batch in order.split(64):
            step.gradients(x[batch], y[batch])  # forward and backward, compiled; gives the loss
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
            average.update_parameters(model)
        schedule.step()
        average.eval()
        with npnet.no_grad():
            value = F.cross_entropy(average(x_val), y_val).item()
        best, waited = (value, 0) if value < best else (best, waited + 1)
        epoch += 1
        print(f"epoch {epoch}: validation loss of the average {value:.4f}")
        states = {name: part.state_dict() for name, part in parts.items()}
        npnet.save({**states, "progress": (epoch, best, waited)}, checkpoint)
    return average


def in_halves(epochs: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        whole = train(epochs, epochs, f"{folder}/whole").state_dict()
        train(epochs, epochs // 2, f"{folder}/halves")
        halves = train(epochs, epochs, f"{folder}/halves").state_dict()
    assert all(value.equal(halves[name]) for name, value in whole.items())
    print("stopped and resumed: the same weights, to the bit")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--checkpoint", help="a file to save to, and to go on from")
    args = parser.parse_args()
    if args.checkpoint is None:
        in_halves(args.epochs)
    else:
        train(args.epochs, args.epochs, args.checkpoint)
