"""Frames in, frames between out: any size, any order of questions, any amount of memory."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from film.errors import MemoryBudgetError, OptionError, UnknownModel
from film.interpolator import Frame, Interpolator
from film.network import Encoded, FilmConfig, FilmNetwork
from film.weights import WeightSet, save

HALF = Fraction(1, 2)
QUARTERS = [Fraction(k, 4) for k in (1, 2, 3)]

SMALL = FilmConfig(
    pyramid_levels=2,
    fusion_pyramid_levels=2,
    specialized_levels=1,
    sub_levels=2,
    filters=4,
    flow_convs=(1, 1),
    flow_filters=(4, 4),
    head="blend",
    any_instant=True,
)
MIDDLE_ONLY = replace(SMALL, head="rgb", any_instant=False)


def weight_set(config: FilmConfig) -> WeightSet:
    """Draw weights with which things move by some pixels and the picture stays in range, mostly."""
    random = np.random.default_rng(5)
    tensors = {}
    for name, shape in config.weight_shapes().items():
        scale = 0.05 if name.endswith("bias") else 1.0 / np.sqrt(np.prod(shape[:-1]))
        scale *= 4.0 if name.startswith("flow") and name.endswith("out/kernel") else 1.0
        scale *= 0.3 if name.startswith("fusion/out") and config.head == "blend" else 1.0
        tensors[name] = random.normal(0, scale, shape).astype(np.float32)
    if config.head == "rgb":
        tensors["fusion/out/bias"] += 0.5
    return WeightSet.of("drawn", config, tensors=tensors, version="1", training={})


@pytest.fixture(scope="module")
def drawn() -> WeightSet:
    return weight_set(SMALL)


@pytest.fixture(scope="module")
def blending() -> Interpolator:
    """Give an interpolator of fresh weights, which blends."""
    tensors = FilmNetwork(SMALL).named_weights()
    return Interpolator(WeightSet.of("fresh", SMALL, tensors=tensors, version="1", training={}))


@pytest.fixture(scope="module")
def making(drawn: WeightSet) -> Interpolator:
    """Give an interpolator of the drawn weights that other tests have asked, too."""
    return Interpolator(drawn)


@pytest.fixture(scope="module")
def afresh(drawn: WeightSet) -> Callable[..., list[Frame]]:
    """Give a function that makes frames without remembering anything."""
    forgetful = Interpolator(drawn)

    def make(first: Frame, second: Frame, instants: Sequence[Fraction | float]) -> list[Frame]:
        forgetful.forget()
        return list(forgetful.between(first, second, instants))

    return make


def picture(height: int, width: int, *, moved: float = 0.0, dtype: type = np.uint8) -> Frame:
    """Draw a smooth pattern that has moved to the left by some pixels."""
    y, x = np.mgrid[:height, :width]
    x = x + moved
    planes = (np.sin(x / 9) * np.cos(y / 7), np.cos(x / 13 + y / 11), np.sin((x + y) / 17))
    colours = 0.5 + 0.35 * np.stack(planes, axis=-1)
    return cast("Frame", np.rint(colours * np.iinfo(dtype).max).astype(dtype))


def difference(first: Frame, second: Frame) -> int:
    assert first.shape == second.shape
    assert first.dtype == second.dtype
    return int(np.abs(first.astype(int) - second.astype(int)).max())


@pytest.fixture
def extractions(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[int, ...]]]:
    """List the shapes of all images whose features are extracted from here on, by the network itself."""
    shapes: list[tuple[int, ...]] = []
    encode = FilmNetwork.encode

    def counted(self: FilmNetwork, image: tf.Tensor) -> Encoded:
        shapes.append(tuple(image.shape))
        return encode(self, image)

    monkeypatch.setattr(FilmNetwork, "encode", counted)
    tf.config.run_functions_eagerly(run_eagerly=True)  # else Python sees the first call of each size alone
    yield shapes
    tf.config.run_functions_eagerly(run_eagerly=False)


# Sizes and types


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("size", [(1, 1), (17, 33), (2, 70), (65, 3), (64, 96), (101, 75)])
def test_frames_of_any_size_come_back_in_that_size_and_type(
    size: tuple[int, int], dtype: type, blending: Interpolator
) -> None:
    first, second = picture(*size, dtype=dtype), picture(*size, moved=5, dtype=dtype)
    made = list(blending.between(first, second, [Fraction(1, 4), HALF]))
    step = np.iinfo(dtype).max / 255
    for frame, share in zip(made, (0.25, 0.5), strict=True):
        assert frame.shape == (*size, 3)
        assert frame.dtype == dtype
        assert frame.flags.c_contiguous
        blend = (1 - share) * first.astype(float) + share * second
        assert np.abs(frame - blend).max() <= 1.5 * step


def test_two_equal_frames_have_that_frame_between_them(blending: Interpolator) -> None:
    frame = picture(50, 71)
    for made in blending.between(frame, frame.copy(), QUARTERS):
        assert difference(made, frame) <= 1


def test_all_of_sixteen_bits_is_used(blending: Interpolator) -> None:
    black, white = np.zeros((20, 20, 3), np.uint16), np.full((20, 20, 3), 65535, np.uint16)
    for end in (black, white):
        (made,) = blending.between(end, end, [HALF])
        assert np.array_equal(made, end)


def test_frames_may_be_views_in_any_order_of_memory(blending: Interpolator) -> None:
    first, second = picture(40, 60), picture(40, 60, moved=3)
    (expected,) = blending.between(first, second, [HALF])
    flipped = cast("Frame", np.ascontiguousarray(first[:, ::-1])[:, ::-1])
    (made,) = blending.between(flipped, cast("Frame", np.asfortranarray(second)), [HALF])
    assert np.array_equal(made, expected)


@pytest.mark.parametrize(
    ("first", "second", "complaint"),
    [
        (np.zeros((8, 8), np.uint8), np.zeros((8, 8), np.uint8), r"\(height, width, 3\)"),
        (np.zeros((8, 8, 4), np.uint8), np.zeros((8, 8, 4), np.uint8), r"\(8, 8, 4\)"),
        (np.zeros((8, 8, 3), np.float32), np.zeros((8, 8, 3), np.float32), "float32"),
        (np.zeros((0, 8, 3), np.uint8), np.zeros((0, 8, 3), np.uint8), "must have pixels"),
        (np.zeros((8, 8, 3), np.uint8), np.zeros((8, 9, 3), np.uint8), "one size and type"),
        (np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8, 3), np.uint16), "one size and type"),
        ([[[0, 0, 0]]], [[[0, 0, 0]]], "numpy array, not list"),
    ],
)
def test_frames_of_the_wrong_kind_are_refused_before_anything_is_made(
    first: Any, second: Any, complaint: str, blending: Interpolator
) -> None:
    with pytest.raises(OptionError, match=complaint):
        blending.between(first, second, [HALF])


@pytest.mark.parametrize("instants", [[0], [1], [HALF, HALF], [HALF, Fraction(1, 3)], [-0.5], [1.5]])
def test_instants_have_to_rise_strictly_between_the_frames(instants: list[Any], blending: Interpolator) -> None:
    with pytest.raises(OptionError, match="rise strictly between 0 and 1"):
        blending.between(picture(8, 8), picture(8, 8), instants)


# What is remembered


def test_no_instants_give_nothing_and_cost_nothing(drawn: WeightSet, extractions: list[tuple[int, ...]]) -> None:
    assert list(Interpolator(drawn).between(picture(16, 16), picture(16, 16), [])) == []
    assert extractions == []


def test_each_frame_of_a_sequence_is_looked_at_once(drawn: WeightSet, extractions: list[tuple[int, ...]]) -> None:
    interpolator = Interpolator(drawn)
    frames = [picture(19, 26, moved=2 * index) for index in range(5)]
    for index in range(4):
        assert len(list(interpolator.between(frames[index], frames[index + 1], QUARTERS))) == 3
    assert extractions == [(1, 20, 28, 3)] * 5  # padded to multiples of 4


def test_two_frames_are_remembered_and_no_more(drawn: WeightSet, extractions: list[tuple[int, ...]]) -> None:
    interpolator = Interpolator(drawn)
    a, b, c, d = (picture(16, 16, moved=2 * index) for index in range(4))
    for first, second, looked_at in ((a, b, 2), (b, a, 2), (c, d, 4), (a, b, 6), (a, a, 6), (a, b, 7)):
        list(interpolator.between(first, second, [HALF]))
        assert len(extractions) == looked_at
    interpolator.forget()
    list(interpolator.between(a, b, [HALF]))
    assert len(extractions) == 9


def test_what_was_asked_before_changes_nothing(making: Interpolator, afresh: Callable[..., list[Frame]]) -> None:
    a, b, c = (picture(33, 40, moved=4 * index) for index in range(3))
    for first, second in ((a, b), (a, b), (b, c), (c, a), (a, b)):
        (made,) = making.between(first, second, [HALF])
        (expected,) = afresh(first, second, [HALF])
        assert np.array_equal(made, expected)


def test_a_buffer_that_the_caller_fills_anew_is_seen_anew(
    making: Interpolator, afresh: Callable[..., list[Frame]]
) -> None:
    first, second, third = (picture(24, 24, moved=5 * index) for index in range(3))
    buffer = first.copy()
    (before,) = making.between(buffer, second, [HALF])
    buffer[:] = third
    (after,) = making.between(buffer, second, [HALF])
    (expected,) = afresh(third, second, [HALF])
    assert np.array_equal(after, expected)
    assert not np.array_equal(after, before)


def test_frames_may_be_overwritten_as_soon_as_they_were_handed_over(
    making: Interpolator, afresh: Callable[..., list[Frame]]
) -> None:
    first, second = picture(24, 24), picture(24, 24, moved=5)
    expected = afresh(first, second, QUARTERS)
    frames = making.between(first, second, QUARTERS)
    first[:] = second[:] = 0
    for made, frame in zip(frames, expected, strict=True):
        assert np.array_equal(made, frame)


def test_pairs_that_are_asked_for_in_turns_do_not_disturb_each_other(
    making: Interpolator, afresh: Callable[..., list[Frame]]
) -> None:
    pairs = [(picture(24, 24), picture(24, 24, moved=4)), (picture(17, 40), picture(17, 40, moved=2))]
    expected = [afresh(*pair, QUARTERS) for pair in pairs]
    in_turns = zip(*(making.between(*pair, QUARTERS) for pair in pairs), strict=True)
    for index, made in enumerate(in_turns):
        for frame, frames in zip(made, expected, strict=True):
            assert np.array_equal(frame, frames[index])


# Networks of every kind


def test_a_network_that_honours_instants_makes_each_from_the_pair_itself(making: Interpolator) -> None:
    first, second = picture(24, 32), picture(24, 32, moved=6)
    together = list(making.between(first, second, [0.25, 0.5, 0.75]))
    for instant, frame in zip(QUARTERS, together, strict=True):
        (alone,) = making.between(first, second, [instant])
        assert np.array_equal(alone, frame)


def test_a_network_of_the_middle_makes_quarters_from_the_middle_it_made() -> None:
    weights = weight_set(MIDDLE_ONLY)
    first, second = picture(24, 32), picture(24, 32, moved=6)
    network = FilmNetwork(MIDDLE_ONLY)
    network.set_named_weights(weights.tensors)

    def middle(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float32]:
        image: NDArray[np.float32] = network({"x0": left, "x1": right, "time": np.full((1, 1), 0.5)})["image"].numpy()
        return image

    left, right = (frame[None].astype(np.float32) / np.float32(255) for frame in (first, second))
    half = middle(left, right)
    expected = [middle(left, half), half, middle(half, right)]
    assert expected[0].std() > 0.05  # something is to be seen
    made = list(Interpolator(weights).between(first, second, QUARTERS))
    for frame, image in zip(made, expected, strict=True):
        assert difference(frame, np.rint(image[0].clip(0, 1) * 255).astype(np.uint8)) <= 1


def test_a_compiled_network_makes_the_same_frames(drawn: WeightSet, afresh: Callable[..., list[Frame]]) -> None:
    compiled = Interpolator(drawn, xla=True)
    for size in ((16, 24), (9, 40)):
        first, second = picture(*size), picture(*size, moved=3)
        (expected,) = afresh(first, second, [HALF])
        (made,) = compiled.between(first, second, [HALF])
        assert difference(made, expected) <= 1


def test_mixed_precision_makes_nearly_the_same_frames(drawn: WeightSet, afresh: Callable[..., list[Frame]]) -> None:
    first, second = picture(33, 40), picture(33, 40, moved=3)
    (expected,) = afresh(first, second, [HALF])
    (made,) = Interpolator(drawn, mixed_precision=True).between(first, second, [HALF])
    assert difference(made, expected) <= 3  # a hundredth


def test_weights_are_taken_from_a_file_by_its_path(drawn: WeightSet, tmp_path: Path) -> None:
    file = tmp_path / "mine.safetensors"
    save(file, drawn)
    for model in (file, str(file)):
        interpolator = Interpolator(model)
        assert (interpolator.name, interpolator.config) == ("drawn", SMALL)
    with pytest.raises(UnknownModel, match="absent"):
        Interpolator(tmp_path / "absent.safetensors")
    with pytest.raises(UnknownModel, match="no-such-model"):
        Interpolator("no-such-model")


# Memory


def bytes_for(config: FilmConfig, pixels: int, *, frames: int = 2) -> int:
    """Give the memory that holds tiles of so many pixels: 3.5 times what a pair keeps, and frames beyond that."""
    floats = 3.5 * config.activations_per_pixel + (frames - 2) * config.encoded_per_pixel
    return int(4 * floats * pixels) + 1


@pytest.mark.parametrize("config", [SMALL, MIDDLE_ONLY], ids=["any instant", "the middle"])
def test_a_frame_in_tiles_looks_like_the_whole_one(config: FilmConfig) -> None:
    weights = weight_set(config)
    first, second = picture(100, 900), picture(100, 900, moved=6)
    whole = list(Interpolator(weights).between(first, second, QUARTERS))
    tiled = Interpolator(weights, memory_bytes=bytes_for(config, 104 * 640, frames=3))
    for made, expected in zip(tiled.between(first, second, QUARTERS), whole, strict=True):
        # Where tiles meet each knows all that matters: what is left is rounding.
        assert difference(made, expected) <= 1


def test_tiles_both_ways_look_like_the_whole_frame(drawn: WeightSet, making: Interpolator) -> None:
    first, second = picture(601, 603), picture(601, 603, moved=6)
    (whole,) = making.between(first, second, [HALF])
    (made,) = Interpolator(drawn, memory_bytes=bytes_for(SMALL, 512 * 512)).between(first, second, [HALF])
    assert difference(made, whole) <= 1


def test_many_instants_in_tiles_are_made_a_few_at_a_time(drawn: WeightSet, extractions: list[tuple[int, ...]]) -> None:
    first, second = picture(8, 1500), picture(8, 1500, moved=6)
    memory = bytes_for(SMALL, 8 * 512)
    sums = memory // 4 // (8 * 1500 * 3 * 4)  # a quarter of the memory, of RGB floats
    assert 1 <= sums < 4
    made = list(Interpolator(drawn, memory_bytes=memory).between(first, second, [Fraction(k, 5) for k in range(1, 5)]))
    assert len(made) == 4
    assert {shape[2] for shape in extractions} == {512}
    assert len(extractions) == 2 * 5 * -(-4 // sums)  # 5 tiles of 512 cover 1500 pixels, and overlap by 256


def test_memory_that_holds_no_tile_is_refused_with_what_would_do(drawn: WeightSet) -> None:
    with pytest.raises(MemoryBudgetError, match=r"^frames of 96×64 need at least \d+ MiB.*allow more memory"):
        Interpolator(drawn, memory_bytes=100_000).between(picture(64, 96), picture(64, 96), [HALF])


def test_frames_between_that_must_wait_for_each_other_count_as_memory_too() -> None:
    interpolator = Interpolator(weight_set(MIDDLE_ONLY), memory_bytes=bytes_for(MIDDLE_ONLY, 8 * 512, frames=5))
    first, second = picture(8, 15000), picture(8, 15000, moved=6)
    with pytest.raises(MemoryBudgetError, match=r"15 frames between two of 15000×8 .* lower multiplier"):
        list(interpolator.between(first, second, [Fraction(k, 16) for k in range(1, 16)]))


@pytest.mark.parametrize("memory", [0, -1])
def test_no_memory_at_all_is_refused(memory: int, drawn: WeightSet) -> None:
    with pytest.raises(OptionError, match="memory allowed must be positive"):
        Interpolator(drawn, memory_bytes=memory)
