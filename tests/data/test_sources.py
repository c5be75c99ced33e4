"""`load`: named sources, folders, and suggestions for unknown names."""

import pytest
import torch

from foveate.data import load


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("digit", r"Found `digit`. Did you mean `digits`\?"),
        ("MNIST", r"Found `MNIST`. Did you mean `mnist`\?"),
        ("imagenet", "Found `imagenet`.$"),
        ("", "Found ``.$"),
    ],
)
def test_an_unknown_source_is_refused_with_a_suggestion(source, message):
    with pytest.raises(ValueError, match="`source` should be `digits`, `mnist` or the path of a folder. " + message):
        load(source)


@pytest.mark.parametrize(
    "option", [{"resize": "pad"}, {"image_size": (9, 9)}, {"color": "rgb"}, {"unreadable": "skip"}]
)
@pytest.mark.parametrize("source", ["digits", "mnist"])
def test_options_that_would_be_ignored_are_refused(source, option):
    with pytest.raises(ValueError, match=f"`{next(iter(option))}` should be left out unless the source is a folder"):
        load(source, **option)


def test_options_reach_the_source():
    data = load("digits", validation=0.5, test=0.5, split_seed=3)
    assert (len(data.train), len(data.validation), len(data.test)) == (449, 450, 898)
    assert not torch.equal(data.train.label, load("digits", validation=0.5, test=0.5, split_seed=4).train.label)
