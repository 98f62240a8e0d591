"""Quality of made frames, on triplets and clips drawn for it, and the `film eval` command."""

import argparse
import json
import math
import subprocess
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio

from film.commands.evaluate import add_parser
from film.errors import OptionError, SourceBroken, SourceError, SourceUnreadable, TooFewFrames
from film.evaluation import PSNR_CEILING, Blend, evaluate, psnr, ssim
from film.network.config import FilmConfig
from film.video import Pixels, find_ffmpeg, write_image
from film.weights import WeightSet, save

HEIGHT, WIDTH = 32, 48


class Hold:
    """Shows the first frame until the second."""

    def __init__(self) -> None:
        self.pairs: list[list[Fraction]] = []

    def between(self, first: Pixels, second: Pixels, instants: Sequence[Fraction], /) -> Iterator[Pixels]:
        assert first.shape == second.shape
        self.pairs.append(list(instants))
        yield from (first for _ in instants)


def picture(seed: int, dtype: type[np.uint8 | np.uint16] = np.uint8) -> Pixels:
    bits = np.random.default_rng(seed).bytes(HEIGHT * WIDTH * 3 * np.dtype(dtype).itemsize)
    shape = (HEIGHT, WIDTH, 3)
    return np.ndarray(shape, np.uint16, bits) if dtype is np.uint16 else np.ndarray(shape, np.uint8, bits)


def flat(value: int, dtype: type[np.uint8 | np.uint16] = np.uint8) -> Pixels:
    shape = (HEIGHT, WIDTH, 3)
    return np.full(shape, value, np.uint16) if dtype is np.uint16 else np.full(shape, value, np.uint8)


def write_triplet(folder: Path, *pictures: Pixels) -> None:
    folder.mkdir(parents=True)
    for number, pixels in enumerate(pictures, start=1):
        write_image(folder / f"im{number}.png", pixels)


def write_clip(path: Path, source: str, *options: str) -> Path:
    command = [find_ffmpeg(), "-v", "error", "-f", "lavfi", "-i", source, *options, str(path)]
    subprocess.run(command, check=True)
    return path


@pytest.fixture
def brightening(tmp_path: Path) -> Path:
    """Draw 9 grey frames without loss, each 12 brighter than the one before: 0, 12 … 96."""
    source = "color=black:s=48x32:r=10:d=0.9,format=gbrp,geq=r='12*N':g='12*N':b='12*N'"
    return write_clip(tmp_path / "brightening.mkv", source, "-c:v", "ffv1")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_psnr_is_the_one_of_the_literature(dtype: type[np.uint8 | np.uint16]) -> None:
    made, truth = picture(1, dtype), picture(2, dtype)
    assert psnr(made, truth) == pytest.approx(peak_signal_noise_ratio(truth, made), abs=1e-4)  # type: ignore[no-untyped-call]
    assert psnr(flat(100, dtype), flat(101, dtype)) == pytest.approx(20 * math.log10(np.iinfo(dtype).max))
    assert psnr(truth, truth) == math.inf


def test_ssim_is_one_for_equal_frames_and_low_for_unrelated_ones() -> None:
    assert ssim(picture(1), picture(1)) == pytest.approx(1, abs=1e-6)
    assert abs(ssim(picture(1), picture(2))) < 0.1
    # Of flat frames only the luminance term is left: (2ab + C1) / (a² + b² + C1), C1 = (0.01·255)².
    constant = 2.55**2
    expected = (2 * 100 * 120 + constant) / (100**2 + 120**2 + constant)
    assert ssim(flat(100), flat(120)) == pytest.approx(expected, abs=1e-4)


def test_a_blend_is_the_weighted_mean_rounded() -> None:
    quarter, half = Blend().between(flat(10), flat(21), [Fraction(1, 4), Fraction(1, 2)])
    assert (quarter == 13).all()  # 12.75
    assert (half == 16).all()  # 15.5, to even
    assert quarter.dtype == np.uint8
    (deep,) = Blend().between(flat(0, np.uint16), flat(65535, np.uint16), [Fraction(1, 3)])
    assert (deep == 21845).all()


def test_triplets_are_measured_against_their_middle(tmp_path: Path) -> None:
    write_triplet(tmp_path / "a", flat(100), flat(110), flat(130))
    write_triplet(tmp_path / "b", flat(50), flat(60), flat(70))
    (tmp_path / "notes").mkdir()
    maker = Hold()
    found = evaluate(tmp_path, maker)
    assert found.name == tmp_path.name
    assert maker.pairs == [[Fraction(1, 2)]] * 2
    assert found.total.frames == 2
    assert found.total.psnr == pytest.approx(20 * math.log10(255 / 10))  # both frames are 10 off
    # The blend of a is 5 off, that of b is the truth.
    assert found.total.blend_psnr == pytest.approx((20 * math.log10(255 / 5) + PSNR_CEILING) / 2)
    assert found.total.gain == found.total.psnr - found.total.blend_psnr
    assert found.by_instant == {Fraction(1, 2): found.total}
    assert found.seconds_per_frame > 0


def test_one_triplet_and_other_kinds_of_pictures_will_do(tmp_path: Path) -> None:
    write_triplet(tmp_path / "a", flat(100), flat(110), flat(120))
    for number in (1, 2, 3):
        picture_file = tmp_path / "a" / f"im{number}.png"
        subprocess.run([find_ffmpeg(), "-v", "error", "-i", picture_file, picture_file.with_suffix(".bmp")], check=True)
        picture_file.unlink()
    assert evaluate(tmp_path / "a", Blend()).total.psnr == PSNR_CEILING


def test_sixteen_bit_triplets_are_measured_on_their_own_scale(tmp_path: Path) -> None:
    write_triplet(tmp_path / "a", flat(1000, np.uint16), flat(2000, np.uint16), flat(3000, np.uint16))
    assert evaluate(tmp_path, Hold()).total.psnr == pytest.approx(20 * math.log10(65535 / 1000))


def test_every_second_frame_of_a_clip_is_made_again(brightening: Path) -> None:
    maker = Hold()
    found = evaluate(brightening, maker)
    assert found.name == "brightening.mkv"
    assert maker.pairs == [[Fraction(1, 2)]] * 4
    assert found.total.frames == 4
    assert found.total.psnr == pytest.approx(20 * math.log10(255 / 12))
    assert found.total.blend_psnr == PSNR_CEILING


def test_every_fourth_frame_kept_is_told_by_instant(brightening: Path) -> None:
    found = evaluate(brightening, Hold(), every=4)
    errors = {instant: 255 / 10 ** (score.psnr / 20) for instant, score in found.by_instant.items()}
    assert errors == {
        Fraction(1, 4): pytest.approx(12),
        Fraction(1, 2): pytest.approx(24),
        Fraction(3, 4): pytest.approx(36),
    }
    assert [score.frames for score in found.by_instant.values()] == [2, 2, 2]
    assert found.total.frames == 6
    assert found.total.psnr == pytest.approx(np.mean([score.psnr for score in found.by_instant.values()]))


def test_frames_after_the_last_whole_pair_are_left_out(brightening: Path) -> None:
    maker = Hold()
    assert evaluate(brightening, maker, every=5).total.frames == 4
    assert len(maker.pairs) == 1


def test_a_limit_stops_after_so_many_pairs(brightening: Path) -> None:
    counts: list[int] = []
    assert evaluate(brightening, Hold(), limit=3, on_pair=counts.append).total.frames == 3
    assert counts == [1, 2, 3]


def test_json_can_hold_what_was_measured(brightening: Path) -> None:
    told = json.loads(json.dumps(evaluate(brightening, Blend()).to_json(), allow_nan=False))
    assert told["set"] == "brightening.mkv"
    assert told["psnr_db"] == told["blend_psnr_db"] == PSNR_CEILING
    assert told["gain_db"] == 0
    assert told["by_instant"]["1/2"]["frames"] == 4


def test_a_folder_with_nothing_to_measure_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="has nothing to measure"):
        evaluate(tmp_path, Blend())


def test_a_triplet_that_lacks_a_picture_is_named(tmp_path: Path) -> None:
    write_triplet(tmp_path / "whole", flat(1), flat(2), flat(3))
    write_triplet(tmp_path / "broken", flat(1), flat(2), flat(3))
    (tmp_path / "broken" / "im2.png").unlink()
    with pytest.raises(SourceBroken, match=r"broken lacks im2"):
        evaluate(tmp_path, Blend())


def test_a_triplet_of_unlike_pictures_is_named(tmp_path: Path) -> None:
    write_triplet(tmp_path / "odd", flat(1), flat(2)[:, :-2], flat(3))
    with pytest.raises(SourceBroken, match=r"odd differ: 48×32 uint8, 46×32 uint8, 48×32 uint8"):
        evaluate(tmp_path, Blend())


def test_a_picture_that_is_none_is_refused(tmp_path: Path) -> None:
    write_triplet(tmp_path / "fake", flat(1), flat(2), flat(3))
    (tmp_path / "fake" / "im3.png").write_bytes(b"not a picture")
    with pytest.raises(SourceError, match=r"im3\.png"):
        evaluate(tmp_path, Blend())


def test_frames_too_small_for_the_window_are_refused(tmp_path: Path) -> None:
    write_triplet(tmp_path / "tiny", *(flat(value)[:10] for value in (1, 2, 3)))
    with pytest.raises(OptionError, match="48×10 are too small"):
        evaluate(tmp_path, Blend())


def test_a_clip_too_short_is_refused(brightening: Path) -> None:
    with pytest.raises(TooFewFrames, match=r"too few frames \(9\) to measure; keeping one of 9 takes 10"):
        evaluate(brightening, Blend(), every=9)


def test_what_is_missing_or_no_clip_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceUnreadable, match="doesn't exist"):
        evaluate(tmp_path / "nowhere.mp4", Blend())
    (tmp_path / "text.mp4").write_text("not a clip")
    with pytest.raises(SourceError, match=r"text\.mp4"):
        evaluate(tmp_path / "text.mp4", Blend())


@pytest.mark.parametrize("every", [1, 0, -2, 65])
def test_a_spacing_out_of_range_is_refused(brightening: Path, every: int) -> None:
    with pytest.raises(OptionError, match="every must be from 2 to 64"):
        evaluate(brightening, Blend(), every=every)


def test_a_limit_of_nothing_is_refused(brightening: Path) -> None:
    with pytest.raises(OptionError, match="at least 1 pair"):
        evaluate(brightening, Blend(), limit=0)


@pytest.fixture
def cross_fader(tmp_path: Path) -> Path:
    """Write a compact network whose weights are all 0: no motion and an even mask, so a plain blend."""
    config = FilmConfig(
        pyramid_levels=3,
        fusion_pyramid_levels=2,
        specialized_levels=1,
        sub_levels=2,
        filters=4,
        flow_convs=(1, 1),
        flow_filters=(4, 4),
        head="blend",
        any_instant=True,
    )
    tensors = {name: np.zeros(shape, np.float32) for name, shape in config.weight_shapes().items()}
    path = tmp_path / "cross-fader.safetensors"
    save(path, WeightSet.of("cross-fader", config, tensors=tensors, version="1", training={}))
    return path


def run(*words: str | Path) -> int:
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    arguments = parser.parse_args(["eval", *map(str, words)])
    code = arguments.run(arguments)
    assert isinstance(code, int)
    return code


def test_the_command_prints_json_and_nothing_else(
    tmp_path: Path, brightening: Path, cross_fader: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_triplet(tmp_path / "set" / "a", flat(100), flat(110), flat(130))
    assert run(brightening, tmp_path / "set", "--model", cross_fader, "--every", "4", "--limit", "1", "--json") == 0
    told = json.loads(capfd.readouterr().out)
    assert told["model"] == "cross-fader"
    assert [(each["set"], each["frames"]) for each in told["sets"]] == [("brightening.mkv", 3), ("set", 1)]
    # 115 where the truth is 110, by the blend and by a network that is one.
    assert told["sets"][1]["blend_psnr_db"] == pytest.approx(20 * math.log10(255 / 5))
    assert told["sets"][1]["gain_db"] == pytest.approx(0, abs=1e-6)
    assert list(told["sets"][0]["by_instant"]) == ["1/4", "1/2", "3/4"]


def test_the_command_prints_a_table(brightening: Path, cross_fader: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(brightening, "--model", cross_fader) == 0
    out, err = capfd.readouterr()
    assert "cross-fader" in out
    (row,) = (line.split() for line in out.splitlines() if "+0.00" in line)
    # The name (folded where it doesn't fit), frames, PSNR, SSIM, blend PSNR, blend SSIM and gain.
    assert "brightening.mkv".startswith(row[0])
    assert row[1:7] == ["4", "100.00", "1.0000", "100.00", "1.0000", "+0.00"]
    assert len(row[7].partition(".")[2]) == 3, "cut off at the terminal's edge"
    assert "pairs" not in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--every", "1"], "1 is not a whole number from 2 to 64"),
        (["--every", "two"], "'two' is not a whole number"),
        (["--limit", "0"], "0 is not a whole number from 1"),
    ],
)
def test_usage_errors_end_with_2(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run("clip.mp4", *words)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_the_command_needs_something_to_measure(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run()
    assert ended.value.code == 2
    assert "PATH" in capsys.readouterr().err
