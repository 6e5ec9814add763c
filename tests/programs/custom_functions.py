"""Autograd functions of one's own: a straight-through sign and a ReLU with ctx."""

import torch
import torch.nn as nn
from torch.autograd import Function, Variable

from shared import BATCH, STEPS, digits, start


class BinarizeSTE(Function):
    @staticmethod
    def forward(ctx, input):
        ctx.save_for_backward(input)
        return input.sign()

    @staticmethod
    def backward(ctx, grad_output):
        (input,) = ctx.saved_tensors
        grad_input = grad_output.clone()
        grad_input[input.abs() > 1] = 0
        return grad_input


class MyReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx, input, slope):
        ctx.save_for_backward(input)
        ctx.slope = slope
        return torch.where(input > 0, input, input * slope)

    @staticmethod
    def backward(ctx, grad_output):
        (input,) = ctx.saved_tensors
        grad_input = grad_output.clone()
        grad_input[input < 0] *= ctx.slope
        return grad_input, None


class BinaryLinear(nn.Linear):
    def forward(self, x):
        weight = BinarizeSTE.apply(self.weight)
        return nn.functional.linear(x, weight * self.weight.abs().mean(), self.bias)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2 = BinaryLinear(784, 32), nn.Linear(32, 10)

    def forward(self, x):
        x = x.view(x.size(0), -1)
        return self.fc2(MyReLU.apply(self.fc1(x), 0.1))


net = start(Net())
images, labels = digits()
optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
losses = []
for i in range(STEPS):
    data = Variable(images[i * BATCH : (i + 1) * BATCH], requires_grad=True)
    target = Variable(labels[i * BATCH : (i + 1) * BATCH])
    loss = nn.CrossEntropyLoss()(net(data), target)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses += [loss.data.item(), data.grad.data.abs().sum().item()]
