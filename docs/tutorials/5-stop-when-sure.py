# %% [markdown]
# # 5. Stop when sure
#
# Most images need fewer glimpses than the model may take. An image stops at the first glimpse whose most probable class
# reaches a threshold. The threshold is chosen on validation images; the test images only measure what it brings.

# %%
import foveate
from foveate.data import load
from foveate.training.evaluate import multiply_adds
from foveate.training.stopping import choose_stop, stopping_curve

model = foveate.from_pretrained("digits")
data = load("digits")
points = stopping_curve(model, data.validation)
for point in points[::20]:
    print(f"stop at {point.stop:.2f}: {point.error_rate:.1%} wrong after {point.mean_glimpses:.2f} glimpses")

# %% [markdown]
# ## Choose
#
# The smallest threshold that costs at most half a percentage point of validation error.

# %%
point = choose_stop(points, within=0.005)
print(f"stop at {point.stop}: {point.error_rate:.1%} after {point.mean_glimpses:.2f} of {model.num_glimpses} glimpses")

# %% [markdown]
# ## Measure
#
# On test images, which nothing was chosen by. On the command line: `foveate evaluate digits --stop auto --within 0.5`.

# %%
whole = foveate.evaluate(model, data.test)
early = foveate.evaluate(model, data.test, stop=point.stop)
for name, found in (("all glimpses", whole), ("stop when sure", early)):
    low, high = found.interval
    cost = found.mean_glimpses * multiply_adds(model) / 1e6
    print(f"{name:15} {found.error_rate:.1%} ({low:.1%} to {high:.1%})", end=", ")
    print(f"{found.mean_glimpses:.2f} glimpses, {cost:.2f} million multiply-adds an image")
print("images that stopped after each glimpse:", *early.num_stops_by_glimpse)

# %% [markdown]
# ## Easy and hard images
#
# One that is sure at once, and one that needs every glimpse.

# %%
import torch

image = data.test.read(torch.arange(len(data.test)))
taken = model(image, stop=point.stop).num_glimpses
assert taken is not None
easy, hard = int(taken.argmin()), int(taken.argmax())
print(f"the easy one took {taken[easy]}, the hard one {taken[hard]} glimpses")
foveate.plot_looks([foveate.look(model, image[i], stop=point.stop) for i in (easy, hard)])

# %% [markdown]
# ## In your own program
#
# `model(image, stop=0.9)` does it in a batch: an image that is sure leaves, and the others go on in a smaller one.
# `rollout.num_glimpses` tells how many each took, and `rollout.final_logits` is the answer of each where it stopped. A
# model that was trained with a loss after every glimpse (`--answers every`) is sure earlier.
# [How many glimpses?](../how-many-glimpses.md) has the numbers of every shipped model.
