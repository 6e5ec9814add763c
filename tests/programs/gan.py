"""A GAN of linear layers: two optimizers, BCELoss on labels of ones and zeros."""

import torch
import torch.nn as nn

from shared import BATCH, STEPS, digits, start

latent_size, hidden_size, image_size = 16, 64, 784
images, _ = digits()
D = nn.Sequential(
    nn.Linear(image_size, hidden_size),
    nn.LeakyReLU(0.2),
    nn.Linear(hidden_size, hidden_size),
    nn.LeakyReLU(0.2),
    nn.Linear(hidden_size, 1),
    nn.Sigmoid(),
)
G = nn.Sequential(
    nn.Linear(latent_size, hidden_size),
    nn.ReLU(),
    nn.Linear(hidden_size, hidden_size),
    nn.ReLU(),
    nn.Linear(hidden_size, image_size),
    nn.Tanh(),
)
start(D, G)
criterion = nn.BCELoss()
d_optimizer = torch.optim.Adam(D.parameters(), lr=0.0002, betas=(0.5, 0.999))
g_optimizer = torch.optim.Adam(G.parameters(), lr=0.0002, betas=(0.5, 0.999))
losses = []


def denorm(x):
    out = (x + 1) / 2
    return out.clamp(0, 1)


def reset_grad():
    d_optimizer.zero_grad()
    g_optimizer.zero_grad()


for i in range(STEPS):
    real = images[i * BATCH : (i + 1) * BATCH].reshape(BATCH, -1) * 2 - 1
    real_labels, fake_labels = torch.ones(BATCH, 1), torch.zeros(BATCH, 1)
    outputs = D(real)
    d_loss_real = criterion(outputs, real_labels)
    real_score = outputs
    fake_images = G(torch.randn(BATCH, latent_size))
    d_loss_fake = criterion(D(fake_images.detach()), fake_labels)
    d_loss = d_loss_real + d_loss_fake
    reset_grad()
    d_loss.backward()
    d_optimizer.step()
    fake_images = G(torch.randn(BATCH, latent_size))
    outputs = D(fake_images)
    g_loss = criterion(outputs, real_labels)
    reset_grad()
    g_loss.backward()
    g_optimizer.step()
    losses += [d_loss.item(), g_loss.item(), real_score.mean().item()]
losses.append(denorm(fake_images).mean().item())
