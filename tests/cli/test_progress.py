"""What is printed before the first epoch."""

import pytest

from foveate.cli.progress import CallbackList, EpochLines
from foveate.config import Config, Model, Training
from foveate.training.derive import derive_model


def test_a_note_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]):
    CallbackList(EpochLines()).on_note("Precision: [bold]fp32[/].")
    assert capsys.readouterr().out == "Precision: [bold]fp32[/].\n"


@pytest.mark.parametrize("ema_decay", [0.0, 0.9999])
def test_averaged_weights_need_no_warning(capsys: pytest.CaptureFixture[str], ema_decay: float):
    """They span a share of the run, so that a short run learns too."""
    EpochLines().on_start(Config(training=Training(epochs=3, ema_decay=ema_decay)), 0, 100)
    assert capsys.readouterr().out == ""


def test_the_glimpse_is_told_at_the_start(capsys: pytest.CaptureFixture[str]):
    model = derive_model(Model(image=(3, 60, 80), classes=("cat", "dog")))
    EpochLines().on_start(Config(model=model), 0, 100)
    assert capsys.readouterr().out == (
        "Images of 60 x 80 pixels, 3 channels; 7 glimpses of 12 x 12 pixels in 2 scales, up to 36 pixels from the "
        "center.\n"
    )
