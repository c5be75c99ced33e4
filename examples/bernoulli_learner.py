"""Train stochastic binary units on exclusive-or by REINFORCE, without any attention.

A point (x, y) belongs to class 1 if x and y have the same sign, which no single layer can learn. The hidden units draw
0 or 1, so no gradient passes through them: `VRClassReward` trains the layer before them by the reward of a correct
answer, and the cross-entropy trains the layer after them.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from foveate import ReinforceBernoulli, VRClassReward


def error_rate(learner: nn.Module, point: Tensor, label: Tensor) -> float:
    """Fraction of wrong answers, with the mean of every hidden unit."""
    with torch.no_grad():
        return (learner.eval()(point).argmax(-1) != label).double().mean().item()


def main(steps: int = 500) -> None:
    """Train, and print the error before and after."""
    torch.manual_seed(0)
    learner = nn.Sequential(nn.Linear(2, 32), nn.Sigmoid(), ReinforceBernoulli(), nn.Linear(32, 2))
    baseline = nn.Parameter(torch.zeros(()))
    criterion = VRClassReward(learner)
    optimizer = torch.optim.Adam([*learner.parameters(), baseline], lr=0.05)
    test = torch.rand(2000, 2) * 2 - 1
    print(f"error before: {error_rate(learner, test, (test.prod(1) > 0).long()):.3f}")
    learner.train()
    for _ in range(steps):
        point = torch.rand(256, 2) * 2 - 1
        label = (point.prod(1) > 0).long()
        prediction = learner(point)
        loss = F.cross_entropy(prediction, label) + criterion(prediction, baseline, label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"error after:  {error_rate(learner, test, (test.prod(1) > 0).long()):.3f}")


if __name__ == "__main__":
    main()
