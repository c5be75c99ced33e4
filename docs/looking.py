# %% [markdown]
# # Looking
#
# This notebook shows what a model looks at. The model comes with the package and was trained on handwritten digits of
# 8x8 pixels; the images below were held out. `python scripts/pictures.py notebook` makes it from `docs/looking.py`.

# %%
import numpy as np
import torch
from PIL import Image

import foveate
from foveate.data import load

model = foveate.from_pretrained("digits")
test = load("digits").test
f"{len(test)} images of {test.shape[1]}x{test.shape[2]} pixels, {model.num_glimpses} glimpses at each"

# %% [markdown]
# ## One image
#
# `look` takes a path, a pillow image, a numpy array or a tensor. `plot_looks` draws what it returns: the path over the
# image, then for each glimpse its window, what the model sees there, and the probabilities.

# %%
image, label = test.read(torch.tensor([42]))[0], str(int(test.label[42]))
foveate.plot_looks(foveate.look(model, image, label=label))

# %% [markdown]
# The first three glimpses, animated:

# %%
foveate.Animation(foveate.look(model, image, num_glimpses=3))

# %% [markdown]
# ## The numbers
#
# Time comes first: row t is glimpse t + 1. A location is (x, y) in [-1, 1]; a box is (x0, y0, x1, y1) in pixels, one
# for each scale.

# %%
seen = foveate.look(model, image, label=label)
print("locations", seen.locations.shape, "boxes", seen.boxes.shape, "glimpses", seen.glimpses.shape)
for step, (box, chances) in enumerate(zip(seen.boxes[:, 0].tolist(), seen.probabilities, strict=True), 1):
    print(f"glimpse {step}: pixels {box}, says {seen.classes[int(chances.argmax())]} ({chances.max():.0%})")

# %% [markdown]
# ## Any picture
#
# A picture of another size is fitted to the model's size, and a color picture becomes gray. Here is an array with a
# bar, unlike any training image, so the model is not sure.

# %%
bar = np.zeros((120, 120), dtype=np.uint8)
bar[15:105, 50:72] = 230
foveate.plot_looks(foveate.look(model, Image.fromarray(bar), num_glimpses=3))

# %% [markdown]
# ## Sampled instead of mean
#
# In training, locations are drawn at random around the locator's mean. Two seeds give two scanpaths:

# %%
foveate.plot_looks([foveate.look(model, image, policy="sampled", seed=seed, num_glimpses=3) for seed in (1, 2)])

# %% [markdown]
# ## All of the test set
#
# One pass with the mean policy. The scanpath dependence measures how much the path depends on the image: 0 is one path
# for all images, 1 varies as much as random places.

# %%
found = foveate.evaluate(model, test)
low, high = found.interval
print(f"error {found.error_rate:.2%} (95 % interval {low:.2%} to {high:.2%}), {found.name}")
print("after each glimpse:", ", ".join(f"{wrong / found.n:.1%}" for wrong in found.num_errors_by_glimpse))
if found.gaze:
    print(f"scanpath dependence: {found.gaze.scanpath_dependence:.0%}")

# %% [markdown]
# `foveate evaluate digits --report` puts all of this on one page: errors, densities of fixations, scanpaths, mistakes.
