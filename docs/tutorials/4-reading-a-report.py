# %% [markdown]
# # 4. Reading a report: is the gaze any good?
#
# A model can answer well and yet look badly: at the same places in every image, or at places that random ones would
# match. `foveate evaluate RUN --report` holds what tells. Here the same numbers are asked for one by one.

# %%
import torch

import foveate
from foveate.data import load
from foveate.training.diagnostics import diagnose

model = foveate.from_pretrained("digits")
test = load("digits").test
found = foveate.evaluate(model, test, policy="mean")

# %% [markdown]
# ## 1. The error, and how sure it is
#
# The interval covers the choice of test images, not the seed of the training: for that, train several seeds
# (`foveate sweep digits --seeds 0,1,2`).

# %%
low, high = found.interval
print(f"{found.num_errors} of {found.n} wrong: {found.error_rate:.1%}, 95 % interval {low:.1%} to {high:.1%}")

# %% [markdown]
# ## 2. Does each glimpse help?
#
# The error should fall from glimpse to glimpse. Where it stays flat, fewer glimpses would do.

# %%
foveate.plot_error_by_glimpse([found]).figure

# %% [markdown]
# ## 3. Is it better than a gaze that learned nothing?
#
# The same model with other scanpaths. It was trained with its own, so these numbers are upper bounds: to know what
# places at random are worth, train with them.

# %%
for policy in ("mean", "sampled", "random", "raster", "center"):
    low, high = foveate.evaluate(model, test, policy=policy).interval
    print(f"{policy:>8}: error between {low:.1%} and {high:.1%}")

# %% [markdown]
# ## 4. Does it look elsewhere in another image?
#
# `scanpath_dependence` compares how far apart different images are looked at with places at random: 0 is one path for
# all images. `by_class` is the share of that spread that lies between the classes: near 1 there is one path for each
# class, near 0 the path follows the single image.

# %%
gaze = found.gaze
assert gaze is not None
print(f"scanpath dependence {gaze.scanpath_dependence:.0%}, between classes {gaze.by_class:.0%}")
foveate.plot_spread(gaze).figure

# %% [markdown]
# ## 5. What a bad gaze looks like
#
# The locator's last layer is set to 0, so that it always looks at the same place. The model still answers, and the
# error alone would not say why it is higher. The diagnosis does.

# %%
with torch.no_grad():
    for parameter in model.locator.mean[-2].parameters():
        parameter.zero_()
stiff = foveate.evaluate(model, test, policy="mean")
assert stiff.gaze is not None
print(f"error {stiff.error_rate:.1%}, scanpath dependence {stiff.gaze.scanpath_dependence:.0%}")
facts = {"scanpath_dependence": stiff.gaze.scanpath_dependence, "at_border": stiff.gaze.at_border}
for words in diagnose([facts], model.config, lasting=1).values():
    print(words)

# %% [markdown]
# ## In short
#
# A gaze is good if the error falls with every glimpse, fixed places are clearly worse, and the path depends on the
# image. If not: a larger `unit_pixels` lets it look farther, more rollouts make the reward less noisy, and an error
# that stays when locations are random says that the task needs no gaze. [Seeing](../seeing.md) defines every number.
