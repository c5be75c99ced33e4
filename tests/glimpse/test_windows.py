"""The loop in C gives the same glimpses as reading pixel by pixel, to the bit, and reads no memory but the image's."""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from asserts import assert_equal
from foveate.glimpse import compiler
from foveate.glimpse.compiler import load
from foveate.glimpse.foveate import foveate
from foveate.glimpse.location import window_sizes
from foveate.glimpse.pyramid import Pyramid
from foveate.glimpse.sensor import SpatialGlimpse
from foveate.glimpse.windows import MANY, SOURCE, Windows, read_windows, readable
from glimpse.test_runs import LAID_OUT, pixels

# That the loop compiles wherever there is a compiler is part of what is tested.
has_compiler = shutil.which(shlex.split(os.environ.get("CC") or "cc")[0]) is not None
with_compiler = pytest.mark.skipif(not has_compiler, reason="reading by a loop in C needs a C compiler: install gcc")
SIDE = st.integers(1, 40)


@with_compiler
@given(
    image_size=st.tuples(SIDE, SIDE),
    size=st.sampled_from([(1, 1), (5, 4), (3, 9), (12, 12)]),  # each is compiled
    depth=st.integers(1, 5),
    channels=st.integers(1, 3),
    images=st.integers(1, 3),
    rollouts=st.integers(1, 3),
    seed=st.integers(0, 2**31),
)
def test_windows_equal_pixels(
    image_size: tuple[int, int],
    size: tuple[int, int],
    depth: int,
    channels: int,
    images: int,
    rollouts: int,
    seed: int,
):
    image = pixels(images, channels, *image_size, seed=seed)
    draws = torch.Generator().manual_seed(seed)
    location = torch.rand(images * rollouts, 2, generator=draws) * 2.6 - 1.3  # beyond the image too
    glimpse = read_windows(Windows(image, size, window_sizes(size, depth, 2.0)), location)
    assert_equal(glimpse, foveate(image, location, size=size, depth=depth, scale=2.0))


@with_compiler
@pytest.mark.parametrize("made", LAID_OUT.values(), ids=LAID_OUT)
def test_images_are_read_where_they_lie(made):
    image, location = made(), torch.rand(6, 2, generator=torch.Generator().manual_seed(0)) * 2.6 - 1.3
    glimpse = read_windows(Windows(image, (5, 4), window_sizes((5, 4), 3, 2.0)), location)
    assert_equal(glimpse, foveate(image, location, size=(5, 4), depth=3, scale=2.0))


@with_compiler
def test_the_sums_of_the_largest_blocks_are_exact():
    image = torch.full((1, 1, 600, 600), 255, dtype=torch.uint8)
    glimpse = read_windows(Windows(image, (1, 1), window_sizes((1, 1), 9, 2.0)), torch.zeros(1, 2))
    assert_equal(glimpse, torch.ones(1, 9, 1, 1))


@with_compiler
def test_two_threads_read_what_one_reads():
    sensor, image = SpatialGlimpse(5, 3), pixels(MANY, 1, 30, 20)
    location = torch.rand(MANY, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1
    prepared, before = sensor.prepare(image, 8), torch.get_num_threads()
    one = sensor(prepared, location)
    try:
        torch.set_num_threads(2)
        assert_equal(sensor(prepared, location), one)
    finally:
        torch.set_num_threads(before)


@with_compiler
def test_many_images_are_read_by_the_loop_and_few_are_not():
    sensor = SpatialGlimpse(5, 3)
    location = torch.rand(MANY, 2, generator=torch.Generator().manual_seed(0)) * 2.6 - 1.3
    image = pixels(MANY, 1, 20, 20)
    prepared = sensor.prepare(image, 8)
    assert isinstance(prepared, Windows)
    assert_equal(sensor(prepared, location), sensor(image, location))
    assert isinstance(sensor.prepare(image[1:], 8), Pyramid)


def test_what_no_loop_can_read_is_left_to_tensors():
    many = torch.zeros(MANY, 1, 4, 4, dtype=torch.uint8)
    assert readable(many, (1, 1), 9) == has_compiler
    assert not readable(many, (1, 1), 10)
    assert not readable(many, (1, 1), 1)  # a pyramid of one scale is the image itself
    assert not readable(many.to("meta"), (1, 1), 2)
    sensor = SpatialGlimpse(4, 2)
    standing = torch.zeros(MANY, 4, 4, 1, dtype=torch.uint8).permute(0, 3, 1, 2)[:, :, :, ::2]
    assert not isinstance(sensor.prepare(standing, 8), Windows)
    assert not isinstance(sensor.prepare(many.float(), 8), Windows)
    assert not isinstance(SpatialGlimpse(4, 2, scale=1.5).prepare(many, 8), Windows)


@pytest.fixture
def fresh():
    load.cache_clear()
    yield
    load.cache_clear()


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("name", ["no-such-compiler", "false", "cc --no-such-option", "'cc"])
def test_without_a_compiler_there_is_a_pyramid(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CC", name)
    assert load(SOURCE, h=4, w=4) is None
    assert isinstance(SpatialGlimpse(4, 2).prepare(torch.zeros(MANY, 1, 20, 20, dtype=torch.uint8), 8), Pyramid)


@pytest.mark.usefixtures("fresh")
def test_without_a_folder_to_compile_in_there_is_a_pyramid(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tempfile, "tempdir", "/no/such/folder")
    assert isinstance(SpatialGlimpse(4, 2).prepare(torch.zeros(MANY, 1, 20, 20, dtype=torch.uint8), 8), Pyramid)


@pytest.mark.usefixtures("fresh")
def test_a_compiler_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(compiler, "LONGEST", 0.1)
    monkeypatch.setenv("CC", """sh -c 'sleep 1; exec cc "$@"' sh""")
    assert load(SOURCE, h=4, w=4) is None


@with_compiler
def test_numbers_have_the_type_that_the_loop_writes():
    """Whatever type a new tensor has by default."""
    sensor, image = SpatialGlimpse(5, 3), pixels(MANY, 1, 30, 20)
    prepared, location = sensor.prepare(image, 8), torch.zeros(MANY, 2)
    expected = sensor(prepared, location)
    try:
        torch.set_default_dtype(torch.float64)
        assert_equal(sensor(prepared, location), expected)
    finally:
        torch.set_default_dtype(torch.float32)


@with_compiler
def test_locations_that_do_not_fit_are_refused():
    sensor = SpatialGlimpse(5, 3)
    prepared = sensor.prepare(pixels(MANY, 1, 30, 20), 8)
    with pytest.raises(ValueError, match="one \\(x, y\\) for each of the 32 images"):
        sensor(prepared, torch.zeros(MANY + 1, 2))


def test_locations_on_another_device_are_refused():
    """The loop would read their numbers where there are none."""
    assert not torch._C._dispatch_has_computed_kernel_for_dispatch_key("foveate::read_windows", "CUDA")


@with_compiler
@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("unknown", ["-fopenmp", "-march=native", "-fopenmp|-march=native"])
def test_a_compiler_that_knows_less_does_as_well(unknown: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    simple, real = tmp_path / "cc", os.environ.get("CC") or "cc"
    simple.write_text(f'for word; do case $word in {unknown}) exit 1;; esac; done\nexec {real} "$@"\n')
    monkeypatch.setenv("CC", f"sh {simple}")
    image, location = pixels(2, 1, 20, 20), torch.rand(2, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1
    glimpse = read_windows(Windows(image, (4, 4), window_sizes((4, 4), 3, 2.0)), location)
    assert_equal(glimpse, foveate(image, location, size=(4, 4), depth=3, scale=2.0))


FENCED = """
import ctypes, mmap, torch
from foveate.glimpse.location import window_sizes
from foveate.glimpse.windows import Windows, read_windows

page, area = mmap.PAGESIZE, 16 * mmap.PAGESIZE
memory = mmap.mmap(-1, 3 * area)
start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
libc = ctypes.CDLL(None, use_errno=True)
for fence in (start, start + 2 * area):
    assert libc.mprotect(ctypes.c_void_p(fence), ctypes.c_size_t(area), 0) == 0
bytes_ = torch.frombuffer(memory, dtype=torch.uint8)
for image in (bytes_[area : area + 900], bytes_[2 * area - 900 : 2 * area]):
    image = image.view(1, 1, 30, 30)
    for depth in (1, 2, 3, 4):
        images = Windows(image, (12, 12), window_sizes((12, 12), depth, 2.0))
        for x in (-1.0, 0.0, 1.0):
            for y in (-1.0, 0.0, 1.0):
                read_windows(images, torch.tensor([[x, y]]))
print("untouched")
"""


@with_compiler
@pytest.mark.skipif(sys.platform != "linux", reason="memory is fenced off as Linux does it")
def test_no_memory_but_the_image_is_touched():
    """Before and behind the image lies memory that ends the process when it is read."""
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", FENCED], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (0, "untouched\n"), run.stderr
