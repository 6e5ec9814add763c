"""Learning rates by hand: functions that write into param_groups, warm-up, a decay by epochs."""

import math

import torch
import torch.nn as nn

from shared import BATCH, STEPS, digits, start


def update_lr(optimizer, lr):
    for param_group in optimizer.param_groups:
        param_group["lr"] = lr


def adjust_learning_rate(optimizer, step, base=0.1):
    if step < 5:
        lr = base * (step + 1) / 5
    elif step < 20:
        lr = base * 0.5 * (1 + math.cos(math.pi * (step - 5) / 15))
    else:
        lr = base * (0.1 ** (step // 10))
    update_lr(optimizer, lr)
    return lr


class AverageMeter(object):
    def __init__(self):
        self.reset()

    def reset(self):
        self.val = self.avg = self.sum = self.count = 0

    def update(self, val, n=1):
        self.val = val
        self.sum += val * n
        self.count += n
        self.avg = self.sum / self.count


def accuracy(output, target, topk=(1,)):
    maxk = max(topk)
    batch_size = target.size(0)
    _, pred = output.topk(maxk, 1, True, True)
    pred = pred.t()
    correct = pred.eq(target.view(1, -1).expand_as(pred))
    res = []
    for k in topk:
        correct_k = correct[:k].reshape(-1).float().sum(0)
        res.append(correct_k.mul_(100.0 / batch_size))
    return res


model = start(
    nn.Sequential(
        nn.Conv2d(1, 6, 5),
        nn.Sigmoid(),
        nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.Sigmoid(),
        nn.AvgPool2d(kernel_size=2, stride=2),
        nn.Flatten(),
        nn.Linear(256, 10),
    )
)
optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, weight_decay=1e-4, nesterov=True)
images, labels = digits()
losses, top1, top5 = [], AverageMeter(), AverageMeter()
for step in range(STEPS):
    lr = adjust_learning_rate(optimizer, step)
    input, target = (
        images[step * BATCH : (step + 1) * BATCH],
        labels[step * BATCH : (step + 1) * BATCH],
    )
    output = model(input)
    loss = nn.CrossEntropyLoss()(output, target)
    prec1, prec5 = accuracy(output.data, target, topk=(1, 5))
    top1.update(prec1.item(), input.size(0))
    top5.update(prec5.item(), input.size(0))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses += [loss.item(), lr]
print(" * Prec@1 {top1.avg:.3f} Prec@5 {top5.avg:.3f}".format(top1=top1, top5=top5))
losses += [top1.avg, top5.avg]
