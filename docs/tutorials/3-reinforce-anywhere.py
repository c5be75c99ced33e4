# %% [markdown]
# # 3. REINFORCE in any network, and where each gradient flows
#
# A REINFORCE unit draws a number and has no gradient: what follows it cannot tell it what to do. It learns from the
# reward alone. The units of this package are modules like any other, and are not tied to attention.
#
# ## A network with binary units
#
# Exclusive-or of two signs. The hidden units draw 0 or 1.

# %%
import torch
from torch import nn
from torch.nn import functional as F

import foveate

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(2, 32), nn.Sigmoid(), foveate.ReinforceBernoulli(), nn.Linear(32, 2))
point = torch.rand(256, 2) * 2 - 1
label = (point.prod(1) > 0).long()
F.cross_entropy(net(point), label).backward()
print("gradient behind the unit:", net[3].weight.grad is not None)
print("gradient before the unit:", net[0].weight.grad is not None)

# %% [markdown]
# The cross-entropy reaches the last layer only. `VRClassReward` finds every unit inside the network and gives the
# layers before it the gradient of REINFORCE, -(R - b) d log p(draw) / d parameters: R is 1 if the answer is right. The
# baseline b learns to expect the reward, which makes the gradient less noisy and leaves its mean as it is.

# %%
criterion = foveate.VRClassReward(net)
baseline = nn.Parameter(torch.zeros(()))
optimizer = torch.optim.Adam([*net.parameters(), baseline], lr=0.05)
for step in range(301):
    point = torch.rand(256, 2) * 2 - 1
    label = (point.prod(1) > 0).long()
    answer = net(point)
    loss = F.cross_entropy(answer, label) + criterion(answer, baseline, label)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 100 == 0:
        wrong = (answer.argmax(-1) != label).double().mean()
        print(f"step {step:3}: {wrong:.1%} wrong, baseline {baseline.item():.2f}")

# %% [markdown]
# ## Is it the right gradient?
#
# With two actions the expected reward is a formula, J = p r_1 + (1 - p) r_0 with dJ/dp = r_1 - r_0. The mean of many
# estimates (R - b) d log p / dp should be that number, whatever b is, and b should only change how much they scatter.

# %%
unit = foveate.ReinforceBernoulli()
reward_of = torch.tensor([0.2, 0.9])
for b in (0.0, 0.5):
    p = torch.full((200_000, 1), 0.3, requires_grad=True)
    draw = unit(p)
    reward = reward_of[draw.long().squeeze(1)]
    ((reward - b) * unit.log_prob(p, draw)).sum().backward()
    gradient = p.grad
    assert gradient is not None
    print(f"b = {b}: mean {gradient.mean():.3f}, standard deviation {gradient.std():.2f}; exact {0.9 - 0.2:.3f}")

# %% [markdown]
# ## Which gradient flows where
#
# In the attention model three losses are added. Each trains some of the parts. The norm of each gradient, measured:

# %%
model = foveate.build(foveate.config.Model(image=(1, 28, 28), classes=tuple("0123456789"), baseline="value"))
parts = {"glimpse": model.glimpse, "core": model.core, "locator": model.locator}
parts |= {"classifier": model.classifier, "baseline": model.baseline}
rollout = model(torch.rand(64, 1, 28, 28), sample=True)
losses = foveate.HybridLoss(baseline="learned")(rollout, torch.randint(10, (64,)))
print(" " * 20, *(f"{name:>10}" for name in parts))
for name in ("classification_loss", "policy_loss", "baseline_loss"):
    norms = []
    for part in parts.values():
        parameters = list(part.parameters())
        gradients = torch.autograd.grad(getattr(losses, name), parameters, retain_graph=True, allow_unused=True)
        norms.append(sum(float(gradient.norm()) for gradient in gradients if gradient is not None))
    print(f"{name:20}", *(f"{norm:10.4f}" for norm in norms))

# %% [markdown]
# The classification loss never reaches the locator: a place on the image has no gradient. The policy loss trains the
# locator alone; with `policy_gradient_into_core=True`, as in Torch7, what the locator reads, too. The baseline loss
# trains the baseline alone. [How it works](../how-it-works.md) has the whole table.
