"""A model as a folder: the same after a round trip, and one sentence where it cannot be."""

import errno
import json
import os
import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.utils.prune
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from foveate import build, fit, from_pretrained, save_pretrained
from foveate.storage.files import aside
from foveate.training.transfer import transfer_weights
from torture.disk import Disk, Killed, kill
from training.tiny import Interrupt, metrics, outcome, tiny, tiny_model


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"core": "lstm", "locator_width": 5, "learn_std": True},
        {"ensemble": 3, "core": "lstm"},
        {"core": "gru", "baseline": "scalar", "depth": 2, "first_glimpse": "center", "stochastic": True},
    ],
)
def test_a_model_is_the_same_after_a_round_trip(tmp_path, changes: dict):
    model = build(tiny_model(**changes)).eval()
    copy = from_pretrained(save_pretrained(model, tmp_path / "deep" / "model"))
    assert copy.config == model.config
    assert not copy.training
    image = torch.randint(256, (5, 1, 8, 8), dtype=torch.uint8)
    first, second = (vars(m(image, generator=torch.Generator().manual_seed(0))) for m in (model, copy))
    for name, value in first.items():
        assert second[name] is None if value is None else torch.equal(second[name], value)
    assert (first["member_logits"] is None) == (model.config.ensemble == 1)


def test_a_saved_model_holds_no_pickle_and_nothing_else(tmp_path):
    save_pretrained(build(tiny_model()), tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["config.json", "model.safetensors"]
    assert json.loads((tmp_path / "config.json").read_text())["classes"] == list("0123456789")


def test_saving_again_replaces_the_model(tmp_path):
    save_pretrained(build(tiny_model(hidden_size=5)), tmp_path)
    model = build(tiny_model())
    save_pretrained(model, tmp_path)
    assert from_pretrained(tmp_path).config == model.config


def test_a_run_folder_stands_for_its_best_model(tmp_path):
    fit(tiny(epochs=1), tmp_path)
    of_run, best = from_pretrained(tmp_path).state_dict(), load_file(tmp_path / "best" / "model.safetensors")
    assert of_run.keys() == best.keys()
    assert all(torch.equal(of_run[name], best[name]) for name in best)


def test_loading_leaves_torchs_global_generator_as_it_was(tmp_path):
    save_pretrained(build(tiny_model()), tmp_path)
    before = torch.get_rng_state()
    from_pretrained(tmp_path)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("changes", [{}, {"std": 0.4}], ids=["same", "other"])
def test_a_kill_at_any_call_leaves_one_model_or_none(tmp_path: Path, changes: dict):
    """Never the weights of one with the settings of another, though their shapes agree; the same is never gone."""
    before, after = build(tiny_model()), build(tiny_model(**changes))
    with Disk(save_pretrained(before, tmp_path / "count")) as disk:
        save_pretrained(after, tmp_path / "count")
    for at in range(1, disk.count + 1):
        folder = save_pretrained(before, tmp_path / f"{at}")
        with Disk(folder, kill(at)), pytest.raises(Killed):
            save_pretrained(after, folder)
        if changes and not (folder / "model.safetensors").exists():
            continue
        found = from_pretrained(folder)
        whole = before if found.config == before.config else after
        weights = [torch.equal(found.state_dict()[name], value) for name, value in whole.state_dict().items()]
        assert all(weights) or not changes


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(tmp_path, name: str):
    save_pretrained(build(tiny_model()), tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(FileNotFoundError, match=rf"Found no `.*{name}`\."):
        from_pretrained(tmp_path)


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: b"hello", lambda data: data[:-10]])
def test_damaged_weights_are_one_sentence(tmp_path, damage):
    file = save_pretrained(build(tiny_model()), tmp_path) / "model.safetensors"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(
        ValueError, match=r"model\.safetensors` should be a safetensors file\. Found a damaged one"
    ) as error:
        from_pretrained(tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("config", ["", "[]", '{"hiden_size": 3}', '{"core": "lsmt"}', "\udcff"])
def test_a_damaged_config_is_named(tmp_path, config: str):
    file = save_pretrained(build(tiny_model()), tmp_path) / "config.json"
    file.write_bytes(config.encode("utf-8", "surrogateescape"))
    with pytest.raises(ValueError, match=r"config\.json: "):
        from_pretrained(tmp_path)


def test_weights_of_another_shape_are_named(tmp_path):
    folder = save_pretrained(build(tiny_model()), tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"what_width": 9}))
    with pytest.raises(ValueError, match=r"`glimpse.join.0.weight` is \(12, 17\)\. Found \(12, 16\)\."):
        from_pretrained(folder)


@pytest.mark.parametrize("change", ["missing", "unknown"])
def test_missing_and_unknown_weights_are_named(tmp_path, change: str):
    folder = save_pretrained(build(tiny_model()), tmp_path)
    weights = load_file(folder / "model.safetensors")
    if change == "missing":
        weights.pop("baseline.value.bias")
    else:
        weights["baseline.value.bias2"] = torch.zeros(1)
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(ValueError, match=r"`baseline\.value\.bias2?` is .*\. Found .*\."):
        from_pretrained(folder)


def test_a_file_whose_writing_fails_leaves_the_one_before(tmp_path: Path):
    path = tmp_path / "picture.png"
    path.write_bytes(b"before")

    def fill_the_disk() -> None:
        with aside(path) as beside:
            beside.write_bytes(b"hal")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match=r"No space left on device.*picture.png"):
        fill_the_disk()
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]
    with aside(path) as beside:
        assert beside.suffix == path.suffix
        beside.write_bytes(b"after")
    assert path.read_bytes() == b"after"


def test_a_model_starts_with_what_another_has_learned():
    """The same model takes all of it; in one that sees more it is the first scale, and the rest keeps its own start."""
    trained, other = build(tiny_model()), build(tiny_model())
    transfer_weights(other, trained)
    assert all(torch.equal(*pair) for pair in zip(other.parameters(), trained.parameters(), strict=True))
    larger = build(tiny_model(depth=2))
    before = {name: value.clone() for name, value in larger.named_parameters()}
    transfer_weights(larger, trained)
    for name, value in trained.named_parameters():
        corner = tuple(map(slice, value.shape))
        before[name][corner] = value
        assert torch.equal(larger.get_parameter(name), before[name])


WIDTHS = {"what_width": 8, "where_width": 8, "join_width": 12, "hidden_size": 12, "locator_width": 6}


@settings(max_examples=20, deadline=None)
@given(
    st.sampled_from(["rectified", "lstm", "gru"]),
    st.sampled_from(["value", "scalar"]),
    st.integers(1, 3),
    st.fixed_dictionaries({name: st.integers(0, 5) for name in WIDTHS}),
)
def test_a_wider_model_answers_as_the_other_did(core: str, baseline: str, columns: int, more: dict[str, int]):
    """Whatever grows: no unit reads one that is added, whose own weights are those of its start."""
    kinds = {"core": core, "baseline": baseline, "ensemble": columns}
    trained = build(tiny_model(**kinds, **WIDTHS)).eval()
    wide = {name: width + more[name] for name, width in WIDTHS.items()}
    wider = build(tiny_model(**kinds, **wide)).eval()
    last: Any = wider.glimpse if columns == 1 else wider.glimpse.members[-1]
    added = last.what[1].weight[WIDTHS["what_width"] :].clone()
    transfer_weights(wider, trained)
    image = torch.randint(256, (5, 1, 8, 8), dtype=torch.uint8)
    before, after = trained(image), wider(image)
    for field in ("logits", "locations", "baselines"):
        torch.testing.assert_close(getattr(after, field), getattr(before, field), atol=1e-5, rtol=1e-4)
    states = after.hiddens.unflatten(-1, (columns, -1))[..., : WIDTHS["hidden_size"]].flatten(-2)
    torch.testing.assert_close(states, before.hiddens, atol=1e-5, rtol=1e-4)
    assert torch.equal(last.what[1].weight[WIDTHS["what_width"] :], added)


def test_units_that_are_added_learn():
    trained, wider = build(tiny_model()), build(tiny_model(hidden_size=15, what_width=16))
    transfer_weights(wider, trained)
    image = torch.randint(256, (5, 1, 8, 8), dtype=torch.uint8)
    wider(image).final_logits.log_softmax(-1)[:, 0].sum().backward()
    assert (wider.classifier[1].weight.grad[:, 12:].abs().sum(0) > 0).any()
    assert (wider.glimpse.join[0].weight.grad[:, 8:16].abs() > 0).any()


def test_a_scale_a_channel_and_an_edge_that_are_black_change_no_answer():
    """Their weights read nothing there; the others stay with their scale, their channel and their pixel."""
    trained = build(tiny_model(depth=2, glimpse_size=(3, 4))).eval()
    larger = build(tiny_model(image=(2, 8, 8), depth=3, glimpse_size=(5, 8))).eval()
    transfer_weights(larger, trained)
    glimpse = torch.rand(5, 2, 3, 4)  # scale by scale
    seen = torch.zeros(5, 3, 2, 5, 8)
    seen[:, :2, 0, 1:4, 2:6] = glimpse
    torch.testing.assert_close(larger.glimpse.what(seen.flatten(1)), trained.glimpse.what(glimpse))


@pytest.mark.parametrize("columns", [1, 2])
def test_a_gaze_moves_by_the_same_pixels_on_a_larger_image(columns: int):
    """An image in the middle of a larger one is looked at, and named, as it was alone."""
    small = {"image": (1, 20, 12), "unit_pixels": 2.0, "glimpse_size": (3, 3), "depth": 2, "ensemble": columns}
    trained = build(tiny_model(**small)).eval()
    with torch.no_grad():
        trained.locator.mean[-2].weight.mul_(0.3)  # so that no place lies at the bound of either model
    larger = build(tiny_model(**{**small, "image": (1, 26, 32), "unit_pixels": 5.0})).eval()
    transfer_weights(larger, trained)
    image = torch.randint(256, (9, 1, 20, 12), dtype=torch.uint8)
    before, after = trained(image), larger(torch.nn.functional.pad(image, (10, 10, 3, 3)))
    pixels = torch.tensor([12.0, 20.0]), torch.tensor([32.0, 26.0])
    torch.testing.assert_close(before.locations * pixels[0], after.locations * pixels[1])
    assert before.locations.flatten(0, 1).std(dim=0).min() > 1e-3
    torch.testing.assert_close(before.logits, after.logits)


@pytest.mark.parametrize(
    ("changes", "part"), [({"classes": tuple("abcdefghij")}, "classifier"), ({"baseline": "scalar"}, "baseline")]
)
def test_what_means_something_else_is_not_taken(changes: dict, part: str):
    trained, other = build(tiny_model()), build(tiny_model(**changes))
    before = {name: value.clone() for name, value in getattr(other, part).named_parameters()}
    transfer_weights(other, trained)
    assert all(torch.equal(getattr(other, part).get_parameter(name), value) for name, value in before.items())
    assert torch.equal(other.core.recurrent.weight, trained.core.recurrent.weight)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"what_width": 12, "where_width": 4}, "a `where_width` of at most 4, as the new one has. Found 8."),
        ({"glimpse_size": (2, 9)}, "a `glimpse_size[0]` of at most 2, as the new one has. Found 4."),
        ({"core": "gru"}, "`core = gru`, as the new one has. Found `core = lstm`."),
        ({"core": "rectified"}, "`core = rectified`, as the new one has. Found `core = lstm`."),
        ({"ensemble": 2}, "`ensemble = 2`, as the new one has. Found `ensemble = 1`."),
        ({"learn_std": True}, "`learn_std = True`, as the new one has. Found `learn_std = False`."),
        ({"locator_width": 0}, "a `locator_width` of at most 0, as the new one has. Found 5."),
        ({"image": (2, 8, 8), "depth": 1}, "a `depth` of at most 1, as the new one has. Found 2."),
    ],
)
def test_a_model_of_other_parts_is_no_start(changes: dict, sentence: str):
    mine = {"core": "lstm", "locator_width": 5, "depth": 2}
    with pytest.raises(ValueError, match=re.escape(sentence)):
        transfer_weights(build(tiny_model(**mine | changes)), build(tiny_model(**mine)))


def test_a_locator_of_one_layer_is_no_start_for_one_of_two():
    with pytest.raises(ValueError, match=re.escape("a `locator_width` of 1 or more, as the new one has. Found 0.")):
        transfer_weights(build(tiny_model(locator_width=5)), build(tiny_model()))


def test_a_learned_deviation_means_as_many_pixels_as_before():
    trained = build(tiny_model(learn_std=True, unit_pixels=2.0, std=0.3))
    larger = build(tiny_model(learn_std=True, unit_pixels=4.0))
    transfer_weights(larger, trained)
    after, before = (model.locator.get_parameter("unit.log_std").exp() for model in (larger, trained))
    torch.testing.assert_close(4 * after, 2 * before)


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_a_run_starts_from_a_pretrained_model(tmp_path: Path, ema: float):
    """Its first epoch, with a learning rate of almost 0, leaves the model as it was, and it knows what that knew."""
    trained = fit(tiny(epochs=6), tmp_path / "trained")
    settings = {
        "pretrained": str(tmp_path / "trained"),
        "learning_rate": 1e-12,
        "min_learning_rate": 1e-12,
        "ema_decay": ema,
    }
    fit(tiny(epochs=1, **settings), tmp_path / "run")
    found = metrics(tmp_path / "run")[0]
    assert found["validation_error"] == trained.progress.best_error
    for name in ("last", "best"):
        state = outcome(tmp_path / "run")[name]
        state = state["learner"]["model"] if name == "last" else state
        for key, value in from_pretrained(tmp_path / "trained").state_dict().items():
            assert torch.allclose(torch.tensor(state[key]), value, atol=1e-6)


def test_a_run_that_started_from_a_model_goes_on_without_it(tmp_path: Path):
    """The same bits as when it was not stopped, though the model it began with has gone meanwhile."""
    save_pretrained(build(tiny_model()), tmp_path / "model")
    config = tiny(pretrained=str(tmp_path / "model"), epochs=2)
    fit(config, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        fit(config, tmp_path / "stopped", listener=Interrupt(1, 2))
    (tmp_path / "model").rename(tmp_path / "gone")
    fit(config, tmp_path / "stopped", resume=True)
    assert outcome(tmp_path / "stopped") == outcome(tmp_path / "whole")


def test_a_pretrained_model_that_is_not_there_is_named_and_no_run_is_begun(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"Did you mean `digits`\?"):
        fit(tiny(pretrained="digit"), tmp_path / "run")
    assert not (tmp_path / "run" / "config.json").exists()


@pytest.mark.parametrize("learn_std", [True, False])
def test_a_model_built_on_the_meta_device_answers_the_same_once_it_is_loaded(learn_std: bool):
    """All that its answers depend on is in the state: reach and standard deviation too."""
    model = build(tiny_model(std=0.3, unit_pixels=3.0, learn_std=learn_std))
    with torch.device("meta"):
        loaded = build(model.config)
    loaded.load_state_dict(model.state_dict(), assign=True)
    assert not any(tensor.is_meta for tensor in [*loaded.parameters(), *loaded.buffers()])
    image = torch.rand(4, 1, 8, 8)
    one, other = (each(image, generator=torch.Generator().manual_seed(1)) for each in (model, loaded))
    assert torch.equal(one.locations, other.locations)
    assert torch.equal(one.logits, other.logits)


def wrap_in_average(model):
    return torch.optim.swa_utils.AveragedModel(model)


def compile_model(model):
    return torch.compile(model, backend="eager")


def compile_core(model):
    model.core = compile_model(model.core)
    return model


def normalize_weights(model):
    torch.nn.utils.parametrizations.weight_norm(model.classifier[1])
    model.classifier[1].parametrizations.weight.original0.data *= 2
    return model


@pytest.mark.parametrize(
    "change",
    [
        compile_model,
        torch.nn.DataParallel,
        wrap_in_average,
        lambda model: wrap_in_average(compile_model(model)),
        compile_core,
        normalize_weights,
        torch.nn.Module.half,
    ],
)
def test_a_wrapped_or_parametrized_model_is_saved_as_what_it_computes(tmp_path: Path, change):
    model = build(tiny_model()).eval()
    copy = from_pretrained(save_pretrained(change(model), tmp_path))
    image = torch.randint(256, (5, 1, 8, 8), dtype=torch.uint8)
    if isinstance(model.core, torch._dynamo.OptimizedModule):
        model.core = model.core._orig_mod  # the checker of shapes in the tests excludes compiling
    torch.testing.assert_close(copy(image).logits, model.float()(image).logits)


def replace_classifier(model):
    model.classifier = torch.nn.Linear(12, 3)
    return model


def replace_layer(model):
    model.classifier[1] = torch.nn.Linear(12, 11)
    return model


def replace_activation(model):
    model.core.activation = torch.nn.Tanh()
    return model


def prune(model):
    torch.nn.utils.prune.l1_unstructured(model.classifier[1], "weight", 0.5)
    return model


@torch.no_grad()
def overflow(model, value: float = float("nan")):
    model.core.recurrent.weight[0, :2] = value
    return model


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (overflow, "`core.recurrent.weight` should be finite. Found 2 of 144 numbers that are not."),
        (partial(overflow, value=float("-inf")), "should be finite. Found 2 of 144 numbers that are not."),
        (
            replace_classifier,
            "`classifier` should be a `Sequential`, as the config says. Found `torch.nn",
        ),
        (replace_layer, "`classifier.1.weight` should be of shape (10, 12), as in the config. Found (11, 12)."),
        (replace_activation, "`core.activation` should be a `ReLU`, as the config says."),
        (prune, "should have the weights that its config names. Found `classifier.1.weight_orig` too."),
        (lambda model: model.to("meta"), "should hold numbers. Found a tensor on the meta device."),
        (lambda model: torch.nn.Linear(2, 2), "`model` should be one that `build` made. Found a `Linear`."),
    ],
)
def test_a_model_that_could_not_be_loaded_is_not_saved(tmp_path: Path, change, sentence: str):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        save_pretrained(change(build(tiny_model())), tmp_path / "model")
    assert not (tmp_path / "model").exists()
