"""No layers: a network of tensors, its gradients by autograd, its updates by hand."""

import math

import torch

from shared import BATCH, STEPS, digits

images, labels = digits()
images = images.reshape(len(images), -1)
dtype = torch.FloatTensor
w1 = (torch.randn(784, 32) / math.sqrt(784)).requires_grad_()
b1 = torch.zeros(32, requires_grad=True)
w2 = torch.randn(32, 10).type(dtype).mul_(1 / math.sqrt(32))
w2.requires_grad = True
b2 = torch.zeros(10).requires_grad_(True)
parameters = [w1, b1, w2, b2]


def log_softmax(x):
    return x - x.exp().sum(-1).log().unsqueeze(-1)


def model(xb):
    return log_softmax((xb @ w1 + b1).clamp(min=0).mm(w2) + b2)


def nll(input, target):
    return -input[range(target.shape[0]), target].mean()


def accuracy(out, yb):
    preds = torch.argmax(out, dim=1)
    return (preds == yb).float().mean()


losses, lr = [], 0.5
for i in range(STEPS):
    start_i = i * BATCH
    xb, yb = images[start_i : start_i + BATCH], labels[start_i : start_i + BATCH]
    loss = nll(model(xb), yb)
    loss.backward()
    with torch.no_grad():
        for p in parameters:
            p -= p.grad * lr
            p.grad.zero_()
    losses.append(loss.item())
y_onehot = torch.zeros(len(labels), 10)
y_onehot.scatter_(1, labels.view(-1, 1), 1)
grads = torch.autograd.grad(((model(images).exp() - y_onehot) ** 2).sum(), parameters)
losses += [g.norm().item() for g in grads] + [accuracy(model(images), labels).item()]
