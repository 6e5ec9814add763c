"""Gradient descent without modules, and functions fitted with them: a first lesson."""

import math

import torch
import torch.nn as nn


def linear_regression(x, y):
    w = torch.zeros(2, 1, requires_grad=True)
    b = torch.zeros(1, requires_grad=True)
    lr = 0.03
    losses = []
    for _ in range(20):
        loss = ((x @ w + b - y) ** 2 / 2).mean()
        loss.backward()
        with torch.no_grad():
            for param in [w, b]:
                param -= lr * param.grad
                param.grad.zero_()
        losses.append(loss.item())
    return losses, w.detach().numpy().ravel().tolist(), b.item()


def polynomial():
    x = torch.linspace(-math.pi, math.pi, 200)
    y = torch.sin(x)
    p = torch.tensor([1, 2, 3])
    xx = x.unsqueeze(-1).pow(p)
    model = torch.nn.Sequential(torch.nn.Linear(3, 1), torch.nn.Flatten(0, 1))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[0.1, -0.2, 0.3]]))
        model[0].bias.fill_(0.05)
    loss_fn = torch.nn.MSELoss(reduction="sum")
    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3)
    for _ in range(50):
        y_pred = model(xx)
        loss = loss_fn(y_pred, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item(), model[0].weight[:, 0].item(), model[0].bias.item()


def derivative(f, at):
    x = torch.tensor(at, requires_grad=True)
    f(x).backward()
    return x.grad.item()


def softmax_regression(images, labels):
    W = torch.full((784, 10), 0.01, requires_grad=True)
    b = torch.zeros(10, requires_grad=True)

    def net(X):
        X_exp = torch.exp(X.reshape((-1, W.shape[0])) @ W + b)
        return X_exp / X_exp.sum(1, keepdim=True)

    def cross_entropy(y_hat, y):
        return -torch.log(y_hat[range(len(y_hat)), y])

    X, y = torch.from_numpy(images), torch.from_numpy(labels)
    losses = []
    for i in range(0, len(X), 20):
        loss = cross_entropy(net(X[i : i + 20]), y[i : i + 20]).mean()
        grads = []
        loss.backward()
        for param in (W, b):
            param.data.sub_(0.1 * param.grad)
            grads.append(param.grad.abs().max().item())
            param.grad = None
        losses.append((loss.item(), *grads))
    return losses


class Swish(nn.Module):
    def __init__(self, beta=1.0):
        super().__init__()
        self.beta = nn.Parameter(torch.tensor(beta))

    def forward(self, x):
        return x * torch.sigmoid(self.beta * x)


def main(images, labels, start, folder):
    x = torch.tensor([[1.0, 2.0], [2.0, -1.0], [0.5, 3.0], [-1.0, 1.5]])
    y = torch.matmul(x, torch.tensor([2.0, -3.4])).reshape(-1, 1) + 4.2
    act = Swish(1.5)
    act(x).sum().backward()
    return {
        "linear": linear_regression(x, y),
        "polynomial": polynomial(),
        "softmax": softmax_regression(images, labels),
        "derivatives": [
            derivative(lambda x: x**2 + 2 * torch.sin(x) + torch.cos(x - 1) - 5, 0.7),
            derivative(lambda x: torch.exp(-x * x).sqrt() / (1 + abs(x)), -0.3),
            derivative(lambda x: torch.log(x).clamp(min=0) * x.tanh(), 2.0),
        ],
        "swish": act.beta.grad.item(),
        "text": [str(x[0]), str(torch.arange(3)), f"{y.mean():.3f}", repr(torch.eye(2))],
    }
