"""K-fold cross validation with samplers, a new network for each fold."""

import numpy as np
import torch
from sklearn.model_selection import KFold
from torch import nn
from torch.utils.data import DataLoader, SubsetRandomSampler, TensorDataset

from shared import BATCH, digits, start


def reset_weights(m):
    for layer in m.children():
        if hasattr(layer, "reset_parameters"):
            layer.reset_parameters()


dataset = TensorDataset(*digits(BATCH * 15))
losses, results = [], {}
for fold, (train_ids, test_ids) in enumerate(
    KFold(n_splits=3, shuffle=True, random_state=0).split(np.arange(len(dataset)))
):
    trainloader = DataLoader(torch.utils.data.Subset(dataset, train_ids), batch_size=BATCH)
    testloader = DataLoader(dataset, batch_size=BATCH, sampler=SubsetRandomSampler(test_ids))
    network = nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 32), nn.Hardtanh(), nn.Linear(32, 10))
    network.apply(reset_weights)
    start(network, seed=fold)
    optimizer = torch.optim.Adam(network.parameters(), lr=5e-3)
    for epoch in range(1):
        for data in trainloader:
            inputs, targets = data
            optimizer.zero_grad()
            loss = nn.CrossEntropyLoss()(network(inputs), targets)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    correct, total = 0, 0
    network.eval()
    with torch.no_grad():
        for inputs, targets in testloader:
            _, predicted = torch.max(network(inputs).data, 1)
            total += targets.size(0)
            correct += (predicted == targets).sum().item()
    results[fold] = 100.0 * (correct / total)
for key, value in results.items():
    print(f"Fold {key}: {value} %")
losses += results.values()
