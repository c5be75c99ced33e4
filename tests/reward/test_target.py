"""All losses accept and refuse the same targets."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from asserts import assert_equal
from foveate import BinaryClassReward, HybridLoss, ReinforceBernoulli, Rollout, VRClassReward

BATCH = 6
TARGET = torch.tensor([0, 1, 1, 0, 1, 1])
ZERO = torch.zeros(())


def class_loss(target: Any, baseline: Any = ZERO, prediction: Any = None) -> Tensor:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.Sigmoid(), ReinforceBernoulli(), nn.Linear(4, 2))
    criterion = VRClassReward(net)
    answer = net(torch.rand(BATCH, 3))
    return criterion(answer if prediction is None else prediction, baseline, target)


def binary_loss(target: Any, baseline: Any = ZERO, prediction: Any = None) -> Tensor:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Linear(3, 4), nn.Sigmoid(), ReinforceBernoulli(), nn.Linear(4, 1), nn.Sigmoid(), nn.Flatten(0)
    )
    criterion = BinaryClassReward(net)
    answer = net(torch.rand(BATCH, 3))
    return criterion(answer if prediction is None else prediction, baseline, target)


def a_rollout() -> Rollout:
    return Rollout(
        logits=torch.randn(2, BATCH, 2),
        locations=torch.zeros(2, BATCH, 2),
        log_probs=torch.zeros(2, BATCH),
        baselines=torch.zeros(2, BATCH),
        hiddens=torch.zeros(2, BATCH, 4),
    )


def hybrid_loss(label: Any) -> Tensor:
    torch.manual_seed(0)
    return HybridLoss()(a_rollout(), label).total


every_loss = pytest.mark.parametrize("loss", [class_loss, binary_loss, hybrid_loss])


@every_loss
@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32])
def test_integers_of_any_type_give_the_same_loss(loss: Callable[[Tensor], Tensor], dtype: torch.dtype):
    assert_equal(loss(TARGET.to(dtype)), loss(TARGET))


@every_loss
@pytest.mark.parametrize(
    ("target", "found"),
    [
        (TARGET.unsqueeze(1), r"be one class for each sample, of shape \(batch,\)\. Found the shape \(6, 1\)\."),
        (TARGET.unsqueeze(0), r"Found the shape \(1, 6\)\."),
        (TARGET[0], r"Found the shape \(\)\."),
        (TARGET[:0], r"Found the shape \(0,\)\."),
        (torch.eye(2)[TARGET].long(), r"Found the shape \(6, 2\)\."),
        (TARGET.float(), r"hold classes, of an integer type\. Found torch\.float32\."),
        (TARGET.double() + 0.3, r"Found torch\.float64\."),
        (TARGET.half(), r"Found torch\.float16\."),
        (TARGET + 1, r"be from 0 to 1\. Found 1 to 2\."),
        (TARGET - 1, r"be from 0 to 1\. Found -1 to 0\."),
    ],
)
def test_a_target_that_is_not_one_class_for_each_sample_is_refused(loss: Callable, target: Tensor, found: str):
    with pytest.raises(ValueError, match=rf"^`(target|label)` .*{found}$"):
        loss(target)


@pytest.mark.parametrize("loss", [class_loss, binary_loss])
def test_a_wrong_number_of_targets_is_refused(loss: Callable[[Tensor], Tensor]):
    with pytest.raises(ValueError, match=r"`prediction` should be one for each of the 5 targets\. Found 6\."):
        loss(TARGET[:5])


@every_loss
@pytest.mark.usefixtures("without_shape_checks")  # which refuse these first
@pytest.mark.parametrize(
    ("target", "found"),
    [
        (TARGET.tolist(), r"be a tensor of classes\. Found a list\."),
        (TARGET.to("meta"), r"be on the device of the predictions, cpu\. Found meta\."),
    ],
)
def test_a_target_that_is_no_tensor_or_elsewhere_is_refused(loss: Callable, target: object, found: str):
    with pytest.raises(ValueError, match=rf"^`(target|label)` should {found}$"):
        loss(target)


@pytest.mark.usefixtures("without_shape_checks")
@pytest.mark.parametrize("loss", [class_loss, binary_loss])
@pytest.mark.parametrize("name", ["baseline", "prediction"])
@pytest.mark.parametrize(
    ("value", "found"),
    [
        (0, r"a tensor of floating point\. Found a int\."),
        (0.5, r"a tensor of floating point\. Found a float\."),
        ([0.5] * BATCH, r"a tensor of floating point\. Found a list\."),
        (TARGET, r"of floating point\. Found torch\.int64\."),
    ],
)
def test_a_baseline_or_prediction_that_is_no_tensor_of_floats_is_refused(
    loss: Callable, name: str, value: object, found: str
):
    with pytest.raises(ValueError, match=rf"^`{name}` should be {found}$"):
        loss(TARGET, **{name: value})


def test_a_baseline_elsewhere_is_refused():
    with pytest.raises(ValueError, match=r"^`baseline` should be on the device of the predictions, cpu\. Found meta\."):
        class_loss(TARGET, torch.zeros((), device="meta"))


@pytest.mark.usefixtures("without_shape_checks")
def test_a_rollout_of_anything_else_is_refused():
    changes: dict[str, Any] = {"logits": [[[0.0, 1.0]]], "baselines": 0.5}
    for name, value in changes.items():
        with pytest.raises(ValueError, match=rf"^`rollout.{name}` should be a tensor of floating point\. Found a "):
            HybridLoss()(replace(a_rollout(), **{name: value}), TARGET)
    logits: Any = a_rollout().logits
    with pytest.raises(ValueError, match=r"^`rollout` should be what a model returned\. Found a Tensor\.$"):
        HybridLoss()(logits, TARGET)
