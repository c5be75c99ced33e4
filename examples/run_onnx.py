"""Runs an exported model without foveate or PyTorch: `python examples/run_onnx.py model.onnx picture.png`."""

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image

session = onnxruntime.InferenceSession(sys.argv[1])
facts = session.get_modelmeta().custom_metadata_map
classes = json.loads(facts["classes"])
channels, height, width = json.loads(facts["image"])
for name in sys.argv[2:]:
    picture = Image.open(name).convert("L" if channels == 1 else "RGB").resize((width, height))
    image = np.asarray(picture).reshape(1, height, width, channels).transpose(0, 3, 1, 2)
    probabilities, locations = map(np.asarray, session.run(None, {"image": image}))
    for chances, (x, y) in zip(probabilities[:, 0], locations[:, 0], strict=True):
        print(f"{name}: looked at ({x:+.2f}, {y:+.2f}), says {classes[chances.argmax()]} ({chances.max():.1%})")
