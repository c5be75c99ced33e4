"""Runs an exported model without foveate or PyTorch: `python examples/run_onnx.py model.onnx picture.png`."""

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

session = onnxruntime.InferenceSession(sys.argv[1])
facts = {name: json.loads(text) for name, text in session.get_modelmeta().custom_metadata_map.items()}
classes = facts["classes"]
channels, height, width = facts["image"]
tall, wide = facts["config"]["picture_size"]  # of an image on the model's canvas, which is black around it
fit = {"crop": ImageOps.fit, "pad": ImageOps.pad, "stretch": Image.Image.resize}[facts["config"]["picture_resize"]]
for name in sys.argv[2:]:  # of 8 bits, not transparent; digits are light on black
    picture = ImageOps.exif_transpose(Image.open(name)).convert("L" if channels == 1 else "RGB")
    scene = Image.new(picture.mode, (width, height))
    scene.paste(fit(picture, (wide, tall), Image.Resampling.BILINEAR), ((width - wide) // 2, (height - tall) // 2))
    image = np.asarray(scene).reshape(1, height, width, channels).transpose(0, 3, 1, 2)
    probabilities, locations = map(np.asarray, session.run(None, {"image": image}))
    for chances, (x, y) in zip(probabilities[:, 0], locations[:, 0], strict=True):
        print(f"{name}: looked at ({x:+.2f}, {y:+.2f}), says {classes[chances.argmax()]} ({chances.max():.1%})")
