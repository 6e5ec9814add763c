"""The forward-forward algorithm: every layer learns alone, without a backward pass through others."""

import torch
import torch.nn as nn
from torch.optim import Adam

from shared import BATCH, STEPS, digits, start


def get_y_neg(y):
    y_neg = y.clone()
    for idx, y_samp in enumerate(y):
        allowed_indices = list(range(10))
        allowed_indices.remove(y_samp.item())
        y_neg[idx] = torch.tensor(allowed_indices)[
            torch.randint(len(allowed_indices), size=(1,))
        ].item()
    return y_neg


def overlay_y_on_x(x, y, classes=10):
    x_ = x.clone()
    x_[:, :classes] *= 0.0
    x_[range(x.shape[0]), y] = x.max()
    return x_


class Layer(nn.Linear):
    def __init__(self, in_features, out_features, bias=True, device=None, dtype=None):
        super().__init__(in_features, out_features, bias, device, dtype)
        self.relu = torch.nn.ReLU()
        self.threshold = 2.0

    def forward(self, x):
        x_direction = x / (x.norm(2, 1, keepdim=True) + 1e-4)
        return self.relu(torch.mm(x_direction, self.weight.T) + self.bias.unsqueeze(0))

    def learn(self, x_pos, x_neg):
        g_pos = self.forward(x_pos).pow(2).mean(1)
        g_neg = self.forward(x_neg).pow(2).mean(1)
        loss = torch.log(
            1 + torch.exp(torch.cat([-g_pos + self.threshold, g_neg - self.threshold]))
        ).mean()
        self.opt.zero_grad()
        loss.backward()
        self.opt.step()
        return self.forward(x_pos).detach(), self.forward(x_neg).detach(), loss.item()


layers = [Layer(784, 32), Layer(32, 32)]
start(*layers)
for layer in layers:
    layer.opt = Adam(layer.parameters(), lr=0.02)
images, labels = digits()
losses = []
for i in range(STEPS):
    x, y = images[i * BATCH : (i + 1) * BATCH].view(BATCH, -1), labels[i * BATCH : (i + 1) * BATCH]
    h_pos, h_neg = overlay_y_on_x(x, y), overlay_y_on_x(x, get_y_neg(y))
    for layer in layers:
        h_pos, h_neg, loss = layer.learn(h_pos, h_neg)
        losses.append(loss)
