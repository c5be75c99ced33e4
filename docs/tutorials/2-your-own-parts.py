# %% [markdown]
# # 2. A core, a sensor and a locator of your own
#
# The loop knows its parts only by how they are called. Any module with the same call can take the place of one. Here
# all three are replaced, each by a few lines, and trained by a loop of plain PyTorch.

# %%
import torch
from torch import nn
from torch.nn import functional as F

import foveate
from foveate.data import load

torch.manual_seed(0)
data = load("digits")
image = data.train.read(torch.arange(len(data.train)))
label = data.train.label
image.shape, image.dtype

# %% [markdown]
# ## A sensor: `sensor(image, location) -> patch`
#
# This one gives the window and, as further planes, how its pixels change to the right and downwards. Locations are
# (x, y) in [-1, 1], x right, y down. If there are more locations than images, location i looks at image i mod B; the
# package's sensor takes care of that.


# %%
class EdgeSensor(nn.Module):
    """A window of the image with its horizontal and vertical differences."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.window = foveate.SpatialGlimpse(size, depth=1)

    def forward(self, image: torch.Tensor, location: torch.Tensor) -> torch.Tensor:
        patch = self.window(image, location)
        right = F.pad(patch.diff(dim=-1), (0, 1))
        down = F.pad(patch.diff(dim=-2), (0, 0, 0, 1))
        return torch.cat([patch, right, down], dim=1)


EdgeSensor(4)(image[:5], torch.zeros(5, 2)).shape

# %% [markdown]
# ## A core: `start(batch) -> state` and `core(feature, state) -> state`
#
# A state is a tuple of tensors; the first is the hidden state that locator and classifier read. This core forgets at a
# learned rate.


# %%
class LeakyCore(nn.Module):
    """h_t = a h_{t-1} + (1 - a) relu(g_t + W h_{t-1}), with a learned rate a for each unit."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.recurrent = nn.Linear(size, size)
        self.rate = nn.Parameter(torch.zeros(size))

    def start(self, batch: int) -> tuple[torch.Tensor]:
        return (self.rate.new_zeros(batch, len(self.rate)),)

    def forward(self, feature: torch.Tensor, state: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
        keep = self.rate.sigmoid()
        return (keep * state[0] + (1 - keep) * F.relu(feature + self.recurrent(state[0])),)


# %% [markdown]
# ## A locator: `locator(hidden, generator, sample) -> (location, log_prob)`
#
# This one chooses one of the 3 x 3 fields of a grid, by a REINFORCE unit that draws from a categorical distribution.
# `log_prob` is all that training needs to know of it.


# %%
class GridLocator(nn.Module):
    """Chooses a field of a grid of side x side."""

    places: torch.Tensor

    def __init__(self, hidden: int, side: int) -> None:
        super().__init__()
        self.score = nn.Linear(hidden, side * side)
        self.unit = foveate.ReinforceCategorical()
        line = torch.linspace(-1, 1, 2 * side + 1)[1::2]  # the middles of the fields
        self.register_buffer("places", torch.cartesian_prod(line, line).flip(-1))  # row by row, each (x, y)

    def forward(self, hidden: torch.Tensor, generator=None, sample: bool | None = None):
        chances = self.score(hidden).softmax(-1)
        choice = self.unit(chances, generator, True if sample is None else sample)
        if sample is False:  # the most probable field; the unit's own mode is the mean of all
            choice = F.one_hot(chances.argmax(-1), chances.shape[-1]).to(chances)
        return choice @ self.places, self.unit.log_prob(chances, choice)


# %% [markdown]
# ## The model
#
# `GlimpseNetwork` joins what is seen and where; its parts can be replaced like any other.

# %%
HIDDEN, WINDOW = 64, 4
glimpse = foveate.GlimpseNetwork(
    EdgeSensor(WINDOW),
    what=nn.Sequential(nn.Flatten(), nn.Linear(3 * WINDOW * WINDOW, 64), nn.ReLU()),
    where=nn.Sequential(nn.Linear(2, 32), nn.ReLU()),
    join=nn.Linear(96, HIDDEN),
)
model = foveate.RecurrentAttention(
    glimpse, LeakyCore(HIDDEN), GridLocator(HIDDEN, 3), classifier=nn.Linear(HIDDEN, 10), num_glimpses=4
)
print(f"{sum(parameter.numel() for parameter in model.parameters()):,} parameters")

# %% [markdown]
# ## Training
#
# Four rollouts of each image; the mean reward of the other three is the baseline of each.

# %%
loss_of = foveate.HybridLoss(baseline="leave-one-out")
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
for step in range(401):
    batch = torch.randint(len(image), (64,))
    rollout = model(image[batch], num_rollouts=4, sample=True)
    losses = loss_of(rollout, label[batch])
    optimizer.zero_grad()
    losses.total.backward()
    optimizer.step()
    if step % 100 == 0:
        print(f"step {step:3}: reward {losses.reward:.2f}")

# %% [markdown]
# ## Does it work?
#
# `evaluate` takes any such model. Under the learned policy it should err less than with fields at random.

# %%
learned = foveate.evaluate(model, data.test, policy="mean")
print(f"learned: {learned.error_rate:.1%}, after each glimpse:", *learned.num_errors_by_glimpse)
with torch.no_grad():
    nn.init.zeros_(model.locator.score.weight)
    nn.init.zeros_(model.locator.score.bias)
print(f"random fields: {foveate.evaluate(model, data.test, policy='sampled').error_rate:.1%}")
