"""The native reader equals the plain reader, to the bit for bytes, and reads no memory outside the image."""

import ctypes
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from asserts import assert_equal
from foveate.glimpse import compiler
from foveate.glimpse import sensor as sensor_module
from foveate.glimpse.compiler import cache_folder, load
from foveate.glimpse.foveate import foveate
from foveate.glimpse.location import window_sizes
from foveate.glimpse.sensor import SpatialGlimpse
from foveate.glimpse.windows import PIXELS, SOURCE, can_read_natively, read_windows
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
def test_native_reads_equal_the_plain_reader(
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
    glimpse = read_windows(image, location, size, window_sizes(size, depth, 2.0))
    assert_equal(glimpse, foveate(image, location, size=size, depth=depth, scale=2.0))


@with_compiler
@pytest.mark.parametrize("made", LAID_OUT.values(), ids=LAID_OUT)
def test_images_of_any_strides_are_read_without_a_copy(made):
    image, location = made(), torch.rand(6, 2, generator=torch.Generator().manual_seed(0)) * 2.6 - 1.3
    glimpse = read_windows(image, location, (5, 4), window_sizes((5, 4), 3, 2.0))
    assert_equal(glimpse, foveate(image, location, size=(5, 4), depth=3, scale=2.0))


@with_compiler
def test_the_sums_of_the_largest_blocks_are_exact():
    image = torch.full((1, 1, 600, 600), 255, dtype=torch.uint8)
    glimpse = read_windows(image, torch.zeros(1, 2), (1, 1), window_sizes((1, 1), 9, 2.0))
    assert_equal(glimpse, torch.ones(1, 9, 1, 1, dtype=torch.float32))


@with_compiler
@given(
    image_size=st.tuples(SIDE, SIDE), depth=st.integers(1, 9), channels=st.integers(1, 3), seed=st.integers(0, 2**31)
)
def test_native_reads_of_floats_equal_the_plain_reader(
    image_size: tuple[int, int], depth: int, channels: int, seed: int
):
    """To the bit with one scale; the sums of the others are added in another order."""
    image = (pixels(2, channels, *image_size, seed=seed) / 255 - 0.5).float()
    location = torch.rand(6, 2, generator=torch.Generator().manual_seed(seed)) * 2.6 - 1.3
    glimpse = read_windows(image, location, (3, 9), window_sizes((3, 9), depth, 2.0))
    plain = foveate(image, location, size=(3, 9), depth=depth, scale=2.0)
    assert_equal(glimpse[:, :channels], plain[:, :channels])
    torch.testing.assert_close(glimpse, plain, rtol=0, atol=1e-6)


@with_compiler
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_float_outside_the_window_is_not_read(value: float):
    image = torch.ones(1, 1, 20, 20, dtype=torch.float32)
    image[..., 12:] = value
    glimpse = read_windows(image, torch.tensor([[-1.0, 0.0]]), (4, 4), window_sizes((4, 4), 3, 2.0))
    assert glimpse.isfinite().all()


@with_compiler
@pytest.mark.parametrize("kind", ["bytes", "floats"])
def test_two_threads_read_what_one_reads(kind: str):
    sensor, image = SpatialGlimpse(5, 3), pixels(40, 1, 30, 20)
    if kind == "floats":
        image = image / 255
    location = torch.rand(40, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1
    before, one = torch.get_num_threads(), sensor(image, location)
    try:
        torch.set_num_threads(2)
        assert_equal(sensor(image, location), one)
    finally:
        torch.set_num_threads(before)


def test_only_images_that_the_loop_supports_are_read_natively():
    image = torch.zeros(2, 1, 4, 4, dtype=torch.uint8)
    for dtype in (torch.uint8, torch.float32):
        assert can_read_natively(image.to(dtype), (1, 1), 9) == has_compiler
        assert can_read_natively(image.to(dtype)[:1], (1, 1), 1) == has_compiler
    assert not can_read_natively(image, (1, 1), 10)
    assert not can_read_natively(image.to("meta"), (1, 1), 2)
    for dtype in (torch.bool, torch.float64, torch.bfloat16):
        assert not can_read_natively(image.to(dtype), (1, 1), 2)
    assert not can_read_natively(image[..., ::2], (1, 1), 2)
    assert not can_read_natively(image.float().requires_grad_(), (1, 1), 2)


def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the readers that sensors call from now on."""
    called: list[str] = []
    for name in ("read_windows", "read_runs", "foveate"):
        reader = getattr(sensor_module, name)
        monkeypatch.setattr(sensor_module, name, lambda *a, n=name, r=reader, **k: called.append(n) or r(*a, **k))
    return called


def test_the_sensor_chooses_the_fastest_reader(monkeypatch: pytest.MonkeyPatch):
    called, image, location = calls(monkeypatch), pixels(2, 1, 20, 20), torch.zeros(2, 2)
    native = "read_windows" if has_compiler else ""
    for sensor in (SpatialGlimpse(4), SpatialGlimpse(4, depth=1, scale=1.5)):
        sensor(image, location)
        sensor(image.float(), location)
        sensor(image.float().requires_grad_(), location)
    assert called == [native or "read_runs", native or "foveate", "foveate"] * 2
    called.clear()
    SpatialGlimpse(4, scale=1.5)(image, location)
    SpatialGlimpse(1, depth=10)(image, location)
    assert called == ["foveate", "read_runs"]


def test_a_glimpse_has_a_gradient_to_a_float_image():
    image = torch.rand(1, 1, 8, 8, requires_grad=True)
    SpatialGlimpse(4, 2)(image, torch.zeros(1, 2)).sum().backward()
    assert image.grad is not None
    assert image.grad.sum() == 32  # 16 pixels of weight 1, and 64 of weight 1/4


@with_compiler
def test_glimpses_can_be_mapped():
    image, location = torch.rand(3, 1, 9, 9), torch.rand(5, 3, 2)
    sensor = SpatialGlimpse(4, 2)
    together = torch.func.vmap(lambda each: sensor(image, each))(location)
    assert_equal(together, torch.stack([sensor(image, each) for each in location]))


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """An empty cache on the disk and in the process; returns its folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    caches = (load, cache_folder, compiler._warn_once)
    for each in caches:
        each.cache_clear()
    yield tmp_path / "cache" / "foveate" / "compiled"
    for each in caches:
        each.cache_clear()


@pytest.mark.parametrize("name", ["no-such-compiler", "false", "cc --no-such-option", "'cc"])
def test_without_a_compiler_other_readers_are_used(name: str, fresh: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CC", name)
    image, location = pixels(2, 1, 20, 20), torch.rand(2, 2)
    called = calls(monkeypatch)
    with pytest.warns(RuntimeWarning, match=r"could not be compiled \(.+\). Slower readers"):
        glimpse = SpatialGlimpse(4, 2)(image, location)
    SpatialGlimpse(5, 2)(image.float(), location)  # a second warning would be an error
    assert called == ["read_runs", "foveate"]
    assert_equal(glimpse, foveate(image, location, size=(4, 4), depth=2, scale=2.0))
    assert not list(fresh.iterdir())


@with_compiler
def test_the_library_is_compiled_once(fresh: Path, monkeypatch: pytest.MonkeyPatch):
    compile_ = mock.Mock(wraps=subprocess.run)
    monkeypatch.setattr(subprocess, "run", compile_)
    for _ in range(2):
        load.cache_clear()  # as in a new process
        assert load(SOURCE, h=4, w=4, **PIXELS[torch.uint8])
        assert compile_.call_count == 1
        (library,) = fresh.iterdir()
        assert library.stat().st_mode & 0o777 == 0o700
    load(SOURCE, h=4, w=4, **PIXELS[torch.float32])
    monkeypatch.setenv("CC", f"{os.environ.get('CC') or 'cc'} -g")
    load(SOURCE, h=4, w=5, **PIXELS[torch.uint8])
    monkeypatch.setattr(compiler, "_processor", lambda: ("another",))
    load(SOURCE, h=5, w=4, **PIXELS[torch.uint8])
    assert compile_.call_count == len(list(fresh.iterdir())) == 4


@with_compiler
def test_a_damaged_library_is_compiled_again(fresh: Path):
    load(SOURCE, h=4, w=4, **PIXELS[torch.uint8])
    (library,) = fresh.iterdir()
    whole = library.read_bytes()
    for damage in (b"", whole[:100]):
        library.unlink()  # the loaded one stays in memory
        library.write_bytes(damage)
        library.chmod(0o700)
        load.cache_clear()
        assert load(SOURCE, h=4, w=4, **PIXELS[torch.uint8])
        assert library.read_bytes() == whole


@with_compiler
@pytest.mark.skipif(sys.platform == "win32", reason="folders have other permissions there")
@pytest.mark.parametrize("damage", ["folder", "library", "link", "parent", "owner", "folder of another"])
def test_a_library_that_others_can_write_is_not_loaded(damage: str, fresh: Path, monkeypatch: pytest.MonkeyPatch):
    load(SOURCE, h=4, w=4, **PIXELS[torch.uint8])
    (library,) = fresh.iterdir()
    if damage == "folder":
        fresh.chmod(0o770)
    elif damage == "parent":
        fresh.parent.chmod(0o707)
    elif damage == "library":
        library.chmod(0o720)
    elif damage == "link":
        library.rename(fresh / "other")
        library.symlink_to("other")
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
    load.cache_clear()
    cache_folder.cache_clear()
    opened = mock.Mock(wraps=ctypes.CDLL)
    monkeypatch.setattr(ctypes, "CDLL", opened)
    assert load(SOURCE, h=4, w=4, **PIXELS[torch.uint8])
    names = [call.args[0] for call in opened.call_args_list]
    assert str(library) not in names
    assert len(names) == 1  # compiled anew


@with_compiler
def test_processes_may_compile_at_the_same_time(fresh: Path):
    script = "import sys; from foveate import SpatialGlimpse; import torch; sys.stdin.read(1); " + (
        "print(SpatialGlimpse(4, 2)(torch.full((1, 1, 9, 9), 255, dtype=torch.uint8), torch.zeros(1, 2)).min().item())"
    )
    command = [sys.executable, "-W", "error::RuntimeWarning", "-c", script]
    runs = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    for run in runs:
        assert run.stdin
        run.stdin.write("x")
        run.stdin.flush()
    assert [run.communicate()[0] for run in runs] == ["1.0\n"] * 3
    assert [path.suffix for path in fresh.iterdir()] == [".so"]


@with_compiler
@pytest.mark.usefixtures("fresh")
def test_without_a_writable_cache_it_is_compiled_in_a_temporary_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert load(SOURCE, h=4, w=4, **PIXELS[torch.uint8])
    assert cache_folder() is None


@pytest.mark.usefixtures("fresh")
def test_without_a_writable_folder_it_is_not_compiled(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tempfile, "tempdir", "/no/such/folder")
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    with pytest.warns(RuntimeWarning, match="could not be compiled"):
        assert load(SOURCE, h=4, w=4, **PIXELS[torch.uint8]) is None


@pytest.mark.usefixtures("fresh")
def test_a_compiler_that_hangs_times_out(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(compiler, "COMPILE_TIMEOUT", 0.1)
    monkeypatch.setenv("CC", """sh -c 'sleep 1; exec cc "$@"' sh""")
    with pytest.warns(RuntimeWarning, match="the compiler took more than"):
        assert load(SOURCE, h=4, w=4, **PIXELS[torch.uint8]) is None


@with_compiler
def test_glimpses_are_float32_whatever_the_default_type():
    """With any default type."""
    sensor, image, location = SpatialGlimpse(5, 3), pixels(3, 1, 30, 20), torch.zeros(3, 2)
    expected = sensor(image, location)
    before = torch.get_default_dtype()
    try:
        torch.set_default_dtype(torch.float64)
        assert_equal(sensor(image, location), expected)
    finally:
        torch.set_default_dtype(before)


@with_compiler
@pytest.mark.usefixtures("without_shape_checks")
@pytest.mark.skipif(torch.__version__ < "2.9", reason="PyTorch 2.8 takes every compilation for an export.")
@pytest.mark.parametrize("kind", ["bytes", "floats"])
def test_a_compiled_sensor_reads_natively(kind: str):
    sensor, image = SpatialGlimpse(5, 3), pixels(3, 1, 30, 20)
    if kind == "floats":
        image = (image / 255).float()
    graphs: list[str] = []

    def backend(graph: torch.fx.GraphModule, _: object) -> Callable[..., object]:
        graphs.append(graph.code)
        return graph.forward

    compiled = torch.compile(sensor, backend=backend, fullgraph=True)
    location = torch.rand(3, 2)
    assert_equal(compiled(image, location), sensor(image, location))
    (code,) = graphs
    assert code.count("read_windows") == 1


def test_locations_on_another_device_are_refused():
    """The native reader cannot access memory of another device."""
    assert not torch._C._dispatch_has_computed_kernel_for_dispatch_key("foveate::read_windows", "CUDA")


@with_compiler
@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("unknown", ["-fopenmp", "-march=native", "-fopenmp|-march=native"])
def test_a_compiler_without_some_flags_is_enough(unknown: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    simple, real = tmp_path / "cc", os.environ.get("CC") or "cc"
    simple.write_text(f'for word; do case $word in {unknown}) exit 1;; esac; done\nexec {real} "$@"\n')
    monkeypatch.setenv("CC", f"sh {simple}")
    image, location = pixels(2, 1, 20, 20), torch.rand(2, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1
    glimpse = read_windows(image, location, (4, 4), window_sizes((4, 4), 3, 2.0))
    assert_equal(glimpse, foveate(image, location, size=(4, 4), depth=3, scale=2.0))


FENCED = """
import ctypes, mmap, torch
from foveate.glimpse.location import window_sizes
from foveate.glimpse.windows import read_windows

page, area = mmap.PAGESIZE, 16 * mmap.PAGESIZE
memory = mmap.mmap(-1, 3 * area)
start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
libc = ctypes.CDLL(None, use_errno=True)
for fence in (start, start + 2 * area):
    assert libc.mprotect(ctypes.c_void_p(fence), ctypes.c_size_t(area), 0) == 0
bytes_ = torch.frombuffer(memory, dtype=torch.uint8)
first, last = bytes_[area : area + 3600], bytes_[2 * area - 3600 : 2 * area]
images = [first[:900], last[-900:], first.view(torch.float32), last.view(torch.float32)]
for image in images:
    image = image.view(1, 1, 30, 30)
    for depth in (1, 2, 3, 4):
        windows = window_sizes((12, 12), depth, 2.0)
        for x in (-1.0, 0.0, 1.0):
            for y in (-1.0, 0.0, 1.0):
                read_windows(image, torch.tensor([[x, y]]), (12, 12), windows)
print("untouched")
"""


@with_compiler
@pytest.mark.skipif(sys.platform != "linux", reason="memory is fenced off as Linux does it")
def test_only_memory_of_the_image_is_read():
    """The pages before and after the image cannot be read without ending the process."""
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", FENCED], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (0, "untouched\n"), run.stderr
