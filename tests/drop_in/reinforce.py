"""Policy gradients on a corridor: one may go left or right, and wants to get out on the right."""

from collections import deque

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.distributions import Categorical


class Corridor:
    def reset(self):
        self.at = 2
        return self.observe()

    def observe(self):
        return [float(i == self.at) for i in range(5)]

    def step(self, action):
        self.at += 1 if action == 1 else -1
        done = self.at in (0, 4)
        return self.observe(), 1.0 if self.at == 4 else -0.1, done


class Policy(nn.Module):
    def __init__(self):
        super(Policy, self).__init__()
        self.affine1 = nn.Linear(5, 16)
        self.dropout = nn.Dropout(p=0.0)
        self.affine2 = nn.Linear(16, 2)
        self.saved_log_probs = []
        self.rewards = []

    def forward(self, x):
        x = self.affine1(x)
        x = self.dropout(x)
        x = F.relu(x)
        action_scores = self.affine2(x)
        return F.softmax(action_scores, dim=1)


def select_action(policy, state):
    state = torch.tensor(state).float().unsqueeze(0)
    probs = policy(state)
    m = Categorical(probs)
    action = m.sample()
    policy.saved_log_probs.append(m.log_prob(action))
    return action.item(), m.entropy().item()


def finish_episode(policy, optimizer, gamma=0.99):
    R = 0
    policy_loss = []
    returns = deque()
    for r in policy.rewards[::-1]:
        R = r + gamma * R
        returns.appendleft(R)
    returns = torch.tensor(list(returns))
    returns = (returns - returns.mean()) / (returns.std(unbiased=False) + 1e-6)
    for log_prob, R in zip(policy.saved_log_probs, returns):
        policy_loss.append(-log_prob * (R + 0.1))
    optimizer.zero_grad()
    policy_loss = torch.cat(policy_loss).sum()
    policy_loss.backward()
    optimizer.step()
    del policy.rewards[:]
    del policy.saved_log_probs[:]
    return policy_loss.item()


def main(images, labels, start, folder):
    torch.manual_seed(543)
    policy, env = Policy(), Corridor()
    start(policy)
    optimizer = optim.Adam(policy.parameters(), lr=1e-2)
    entropies = []
    for _ in range(30):
        state, done = env.reset(), False
        for _ in range(20):
            action, entropy = select_action(policy, state)
            state, reward, done = env.step(action)
            policy.rewards.append(reward)
            entropies.append(entropy)
            if done:
                break
        finish_episode(policy, optimizer)
    logits = torch.tensor([[0.1, 2.0, -1.0]])
    m = Categorical(logits=logits)
    return {
        "entropy": entropies[0],
        "log_prob": m.log_prob(torch.tensor([1])).item(),
        "probs": m.probs.tolist(),
    }
