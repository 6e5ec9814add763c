"""A variational autoencoder: reparametrize, BCE by sum and the KL divergence; pictures are saved."""

import os

import torch
from torch import nn, optim
from torch.nn import functional as F
from torchvision.utils import make_grid, save_image

from shared import BATCH, STEPS, digits, start


class VAE(nn.Module):
    def __init__(self):
        super(VAE, self).__init__()
        self.fc1 = nn.Linear(784, 64)
        self.fc21 = nn.Linear(64, 8)
        self.fc22 = nn.Linear(64, 8)
        self.fc3 = nn.Linear(8, 64)
        self.fc4 = nn.Linear(64, 784)

    def encode(self, x):
        h1 = F.relu(self.fc1(x))
        return self.fc21(h1), self.fc22(h1)

    def reparameterize(self, mu, logvar):
        std = torch.exp(0.5 * logvar)
        eps = torch.randn_like(std)
        return mu + eps * std

    def decode(self, z):
        h3 = F.relu(self.fc3(z))
        return torch.sigmoid(self.fc4(h3))

    def forward(self, x):
        mu, logvar = self.encode(x.view(-1, 784))
        z = self.reparameterize(mu, logvar)
        return self.decode(z), mu, logvar


def loss_function(recon_x, x, mu, logvar):
    BCE = F.binary_cross_entropy(recon_x, x.view(-1, 784), reduction="sum")
    KLD = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return BCE + KLD


model = start(VAE())
optimizer = optim.Adam(model.parameters(), lr=1e-3)
images, _ = digits()
losses, train_loss = [], 0
model.train()
for i in range(STEPS):
    data = images[i * BATCH : (i + 1) * BATCH]
    optimizer.zero_grad()
    recon_batch, mu, logvar = model(data)
    loss = loss_function(recon_batch, data, mu, logvar)
    loss.backward()
    train_loss += loss.item()
    optimizer.step()
    losses.append(loss.item() / len(data))
model.eval()
os.makedirs("results", exist_ok=True)
with torch.no_grad():
    comparison = torch.cat([data[:8], recon_batch.view(-1, 1, 28, 28)[:8]])
    save_image(comparison.cpu(), "results/reconstruction_1.png", nrow=8)
    sample = model.decode(torch.randn(16, 8)).cpu()
    save_image(sample.view(16, 1, 28, 28), "results/sample_1.png")
    losses.append(make_grid(sample.view(16, 1, 28, 28), nrow=4).sum().item() / 1e4)
