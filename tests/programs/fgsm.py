"""Adversarial training by the fast gradient sign method."""

import torch
import torch.nn as nn
import torch.nn.functional as F

from shared import BATCH, STEPS, digits, start


def fgsm_attack(image, epsilon, data_grad):
    sign_data_grad = data_grad.sign()
    perturbed_image = image + epsilon * sign_data_grad
    perturbed_image = torch.clamp(perturbed_image, 0, 1)
    return perturbed_image


model = start(
    nn.Sequential(
        nn.Flatten(), nn.Linear(784, 32), nn.Tanh(), nn.Linear(32, 10), nn.LogSoftmax(dim=1)
    )
)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
images, labels = digits()
losses, fooled = [], 0
for i in range(STEPS):
    data, target = images[i * BATCH : (i + 1) * BATCH].clone(), labels[i * BATCH : (i + 1) * BATCH]
    data.requires_grad = True
    output = model(data)
    init_pred = output.max(1, keepdim=True)[1]
    loss = F.nll_loss(output, target)
    model.zero_grad()
    loss.backward()
    perturbed_data = fgsm_attack(data, 0.05, data.grad.data)
    output = model(perturbed_data.detach())
    final_pred = output.max(1, keepdim=True)[1]
    fooled += (init_pred != final_pred).sum().item()
    adversarial = F.nll_loss(output, target)
    optimizer.zero_grad()
    (adversarial + F.nll_loss(model(data.detach()), target)).backward()
    optimizer.step()
    losses += [loss.item(), adversarial.item()]
print("fooled", fooled)
