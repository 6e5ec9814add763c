"""A convolutional autoencoder with pooling, upsampling and a denoising target."""

import torch
import torch.nn as nn
import torch.nn.functional as F

from shared import BATCH, STEPS, digits, start


class ConvAutoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 4, 3, padding=1)
        self.pool = nn.MaxPool2d(2, 2)
        self.t_conv1 = nn.ConvTranspose2d(4, 8, 2, stride=2)
        self.conv4 = nn.Conv2d(8, 1, 3, padding=1)

    def forward(self, x):
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = F.relu(self.t_conv1(x))
        x = F.interpolate(x, scale_factor=2, mode="nearest")
        return torch.sigmoid(self.conv4(x))


images, _ = digits()
model = start(ConvAutoencoder())
optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
noise_factor, losses = 0.5, []
for step in range(STEPS):
    clean = images[step * BATCH : (step + 1) * BATCH]
    noisy = clean + noise_factor * torch.randn(*clean.shape)
    noisy = torch.clamp(noisy, 0.0, 1.0)
    optimizer.zero_grad()
    outputs = model(noisy)
    loss = F.binary_cross_entropy(outputs, clean)
    loss.backward()
    optimizer.step()
    losses.append(loss.item() * clean.size(0))
