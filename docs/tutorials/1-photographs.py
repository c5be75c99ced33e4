# %% [markdown]
# # 1. Your own photographs
#
# From a folder of pictures to a report on what was learned, in ten minutes. All that is needed is one subfolder per
# class. This notebook draws such a folder, so that it runs anywhere; put the path of yours in `photos` instead.

# %%
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

photos = Path(tempfile.mkdtemp()) / "photos"
rng = np.random.default_rng(0)
corners = {"circle": 40, "square": 4, "triangle": 3}
for name, sides in corners.items():
    (photos / name).mkdir(parents=True)
    for number in range(120):
        picture = Image.fromarray(rng.integers(0, 110, (48, 64, 3), dtype=np.uint8))
        shape = (int(rng.integers(14, 50)), int(rng.integers(14, 34)), 10)  # center and radius
        color = tuple(int(value) for value in rng.integers(140, 256, 3))
        ImageDraw.Draw(picture).regular_polygon(shape, sides, rotation=int(rng.integers(90)), fill=color)
        picture.save(photos / name / f"{number}.png")
sorted(path.name for path in photos.iterdir())

# %% [markdown]
# ## Train
#
# `config.Config` holds every setting. Only what differs from the default is given: where the images are, how they are
# fitted to one size, how large a window is and how long to train. Images are split into training, validation and test
# images by a seed; validation images choose the epoch that is kept, and the test images are read once, at the end.
#
# On the command line this is
# `foveate train mnist-quick --source photos --image-size 32 --resize pad --glimpse-size 10 --depth 2`.

# %%
import foveate
from foveate import config

settings = config.Config(
    data=config.Data(source=str(photos), image_size=(32, 32), resize="pad"),
    model=config.Model(glimpse_size=(10, 10), depth=2, num_glimpses=4, hidden_size=128, what_width=128),
    training=config.Training(epochs=30, batch_size=32, ema_decay=0.99),
)
run = photos.parent / "run"
summary = foveate.fit(settings, run)
low, high = summary.result.interval
print(f"test error {summary.result.error_rate:.0%}, 95 % interval {low:.0%} to {high:.0%}, {summary.result.n} images")

# %% [markdown]
# The interval is wide, since few images were held out. Guessing would err on two of three.
#
# ## Look
#
# What was trained is in the folder `run`. `load_run` gives the model, its settings and its images back.

# %%
loaded = foveate.load_run(run)
picture = photos / "triangle" / "0.png"
seen = foveate.look(loaded.model, picture, label="triangle")
foveate.plot_looks(seen)

# %% [markdown]
# ## Evaluate
#
# Which classes are confused, and is a learned gaze better than one at random?

# %%
for policy in ("mean", "random"):
    found = foveate.evaluate(loaded.model, loaded.data.test, policy=policy)
    print(f"{policy:>6}: {found.error_rate:.0%} wrong; after each glimpse:", *found.num_errors_by_glimpse)
foveate.plot_confusion(foveate.evaluate(loaded.model, loaded.data.test).confusion, loaded.model.config.classes).figure

# %% [markdown]
# ## Report
#
# One HTML page with everything above, where it looks, and the mistakes it is surest of. On the command line:
# `foveate evaluate run --report`. [Reading a report](4-reading-a-report.ipynb) explains it.

# %%
from foveate.viewing.report import make_report

make_report(loaded.model, loaded.data.test, run / "report", title="shapes", config=loaded.config, num_rollouts=2)
sorted(path.name for path in (run / "report").iterdir())
