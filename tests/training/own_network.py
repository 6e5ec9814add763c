"""A file as a student writes it; tests copy it into a folder of their own."""

import npnet
from npnet import nn
from npnet.nn import functional as F
from npnet.training import Callback


class Net(nn.Module):
    def __init__(self, in_channels, num_classes, width: int = 4, drop=0.2):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, width, 3, padding=1)
        self.norm = nn.BatchNorm2d(width)
        self.drop = nn.Dropout(drop)
        self.pool = nn.AdaptiveAvgPool2d(4)
        self.fc = nn.Linear(width * 16, num_classes)

    def forward(self, x):
        x = self.pool(F.relu(self.norm(self.conv(x))))
        return self.fc(self.drop(x.flatten(1)))


class Decay(Callback):
    """Pulls the weights by random numbers, and counts steps: a resume must repeat both."""

    def __init__(self):
        self.steps = 0

    def on_step_end(self, trainer):
        self.steps += 1

    def on_epoch_end(self, trainer):
        trainer.say(f"{self.steps} steps")
        pull = 1 - 0.01 * npnet.rand(1).item() - 1e-4 * self.steps
        for weight in trainer.model.parameters():
            weight.data.mul_(pull)


class Stopper(Callback):
    def on_epoch_end(self, trainer):
        if trainer.epoch == 2:
            trainer.stop("two are enough")


class Breaks(Callback):
    def on_epoch_end(self, trainer):
        if trainer.epoch == 2:
            raise KeyError("nothing here")


class Exits(Callback):
    def on_epoch_end(self, trainer):
        raise SystemExit(0)


class Forgets(Callback):
    def on_epoch_end():
        pass


class Misspells(Callback):
    def on_epoch_ended(self, trainer):
        pass


class Needs(Callback):
    def __init__(self, count):
        self.count = count


class Detached(Net):
    def forward(self, x):
        return super().forward(x).detach()


class Nothing(nn.Module):
    def forward(self, x):
        return x.flatten(1)[:, :4]


class TooLate(Callback):
    def on_checkpoint(self, trainer):
        next(trainer.model.parameters()).data.zero_()


class MyLoss(nn.Module):
    def forward(self, logits, y):
        return 2 * F.cross_entropy(logits, y)


class MyOpt(npnet.optim.SGD):
    pass


def halves(optimizer):
    return npnet.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)


class Flat(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(400, 4)

    def forward(self, x):
        return self.fc(x.flatten(1))


class Seven(nn.Module):
    def __init__(self, in_channels):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, 7, 12)

    def forward(self, x):
        return self.conv(x).flatten(1)


net = Seven(1)
