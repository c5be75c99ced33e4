"""The confusion matrix in a terminal: a whole table where it fits, the most frequent mistakes where it does not."""

import re
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from foveate.cli.evaluate import MAX_MISTAKES, _print_confusion, _print_files, sentence
from foveate.data.records import InMemory
from foveate.training.evaluate import Answers, Evaluation

NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def printed(confusion: torch.Tensor, classes: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> str:
    """What the terminal shows."""
    _print_confusion(SimpleNamespace(confusion=confusion), classes)  # pyright: ignore[reportArgumentType]
    return capsys.readouterr().out


def random_counts(n: int) -> torch.Tensor:
    """Many right answers, and a few of every mistake."""
    draws = torch.Generator().manual_seed(0)
    counts = torch.randint(0, 30, (n, n), generator=draws)
    counts[range(n), range(n)] = 850
    return counts


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 200])
@pytest.mark.parametrize("classes", [NAMES, tuple(map(str, range(20))), tuple("0123456789")])
def test_no_number_and_no_name_is_cut(
    width: int, classes: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("COLUMNS", str(width))
    counts = random_counts(len(classes))
    told = printed(counts, classes, capsys)
    assert "…" not in told
    if "Most frequent mistakes" not in told:
        assert max(map(len, told.splitlines())) <= width
        for name, row in zip(classes, counts.tolist(), strict=True):
            line = next(line for line in told.splitlines() if re.match(rf"│ {name} ", line))
            assert re.findall(r"\d+|\.(?= )", line.split("│", 2)[2].rsplit("│", 2)[0]) == [str(n or ".") for n in row]


def test_the_mistakes_are_listed_the_most_frequent_first(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("COLUMNS", "80")
    counts = random_counts(10)
    told = printed(counts, NAMES, capsys)
    listed = re.findall(r"^ +(\d+) x (\w+) answered as (\w+) \((\S+)% of", told, re.MULTILINE)
    assert len(listed) == MAX_MISTAKES
    for n, label, answer, share in listed:
        i = NAMES.index(label)
        assert int(n) == counts[i, NAMES.index(answer)]
        assert float(share) == pytest.approx(100 * int(n) / int(counts[i].sum()), abs=0.051)
    numbers = [int(n) for n, *_ in listed]
    assert numbers == sorted(numbers, reverse=True)
    others = int(re.findall(r"(\d+) others", told)[0])
    assert sum(numbers) + others == int(counts.sum() - counts.diag().sum())
    assert printed(torch.diag(torch.ones(10, dtype=torch.int64)), NAMES, capsys) == "Mistakes: none.\n"


def test_a_class_without_images_has_no_error_and_every_name_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("COLUMNS", "80")
    told = printed(torch.tensor([[3, 1], [0, 0]]), ("a\nb", "caf\udce9"), capsys).splitlines()
    assert [re.split(" *│ *", line)[1:5] for line in told[3:5]] == [
        ["a\ufffdb", "3", "1", "25.0%"],
        ["caf\ufffd", ".", ".", "-"],
    ]


@pytest.mark.parametrize(("sizes", "stated"), [((20, 9), True), ((20, 10), False), ((20, 0), True)])
def test_the_balanced_error_stands_beside_where_classes_are_unequal(sizes: tuple[int, int], stated: bool):
    confusion = torch.diag(torch.tensor(sizes))
    counts: Any = {"policy": "mean", "num_rollouts": 1, "num_glimpses": 1, "num_errors_by_glimpse": (0,), "gaze": None}
    result = Evaluation(n=sum(sizes), num_errors=0, confusion=confusion, **counts)
    assert ("; balanced 0.00%; mean policy" in sentence(result, "test")) == stated


def test_wrong_answers_are_listed_with_their_files_the_surest_first(capsys: pytest.CaptureFixture[str]):
    answers = Answers(
        locations=torch.zeros(1, 1, 4, 2),
        num_glimpses=torch.ones(4, dtype=torch.int64),
        confidence=torch.zeros(1, 4),
        wrong=torch.tensor([[False, True, True, True]]),
        label=torch.tensor([0, 1, 0, 2]),
        prediction=torch.tensor([0, 2, 1, 0]),
        probability=torch.tensor([0.9, 0.4, 0.8, 0.6]),
        probability_of_label=torch.tensor([0.9, 0.3, 0.1, 0.2]),
    )
    result: Any = SimpleNamespace(answers=answers, num_errors=3)
    images = InMemory(torch.zeros(4, 1, 2, 2, dtype=torch.uint8), answers.label, ("a/0", "b/1", "a/2", "c/3"))
    _print_files(result, ("a", "b", "c"), images)
    assert capsys.readouterr().out.splitlines()[1:] == [
        "  a/2: answered as b (80.0%), is a",
        "  c/3: answered as a (60.0%), is c",
        "  b/1: answered as c (40.0%), is b",
    ]
    _print_files(result, ("a", "b", "c"), InMemory(images.image, images.label))
    assert capsys.readouterr().out == ""
