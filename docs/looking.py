# %% [markdown]
# # Looking
#
# What a model looks at, in a notebook. The model comes with the package: it has learned real handwritten digits of 8x8
# pixels, of which those below were held out. `python docs/notebook.py` runs the cells of `docs/looking.py` into this
# notebook.

# %%
import numpy as np
import torch
from PIL import Image

import foveate
from foveate.data import load
from foveate.viewing.scanpath import picture

model = foveate.from_pretrained("digits")
test = load("digits").test
f"{len(test)} images of {test.shape[1]}x{test.shape[2]} pixels, {model.num_glimpses} glimpses at each"

# %% [markdown]
# ## One image
#
# `look` takes a path, a pillow picture, a numpy array or a tensor. What it returns shows itself: the path over the
# image, then for each glimpse its box, what the model sees there, and what it thinks.

# %%
image, label = test.read(torch.tensor([42]))[0], str(int(test.label[42]))
foveate.look(model, image, label=label)

# %% [markdown]
# Its first three glimpses, moving:

# %%
foveate.look(model, image, num_glimpses=3).moving()

# %% [markdown]
# ## The numbers behind it
#
# Time comes first: row t is glimpse t + 1. A location is (x, y) in [-1, 1]; a box is (x0, y0, x1, y1) in pixels, one
# for each scale.

# %%
seen = foveate.look(model, image, label=label)
print("locations", seen.locations.shape, "boxes", seen.boxes.shape, "glimpses", seen.glimpses.shape)
for step, (box, chances) in enumerate(zip(seen.boxes[:, 0].tolist(), seen.probabilities, strict=True), 1):
    print(f"glimpse {step}: pixels {box}, thinks it is {seen.classes[int(chances.argmax())]} ({chances.max():.0%})")

# %% [markdown]
# ## Any picture
#
# A picture of another size is fitted to the model's, a colour picture is made grey. Here is an array with a bar in it:
# it was never taught anything like that, and is not sure.

# %%
bar = np.zeros((120, 120), dtype=np.uint8)
bar[15:105, 50:72] = 230
foveate.look(model, Image.fromarray(bar), num_glimpses=3)

# %% [markdown]
# ## Sampled instead of mean
#
# In training the locations are drawn at random around what the locator aims at. Two seeds, two scanpaths:

# %%
picture([foveate.look(model, image, policy="sampled", seed=seed, num_glimpses=3) for seed in (1, 2)]).quantize(32)

# %% [markdown]
# ## All of the test set
#
# One pass with the mean policy. The gaze says how much where it looks depends on the image: 0 is one path for all
# images, 1 differs as much as random places do.

# %%
found = foveate.evaluate(model, test)
low, high = found.interval
print(f"error {found.error_rate:.2%} (95 % interval {low:.2%} to {high:.2%}), {found.name}")
print("after each glimpse:", ", ".join(f"{wrong / found.n:.1%}" for wrong in found.wrong_by_glimpse))
if found.gaze:
    print(f"where it looks depends on the image: {found.gaze.scanpath_dependence:.0%}")

# %% [markdown]
# `foveate evaluate digits --report` writes a page of all this: errors, densities of fixations, scanpaths and mistakes.
