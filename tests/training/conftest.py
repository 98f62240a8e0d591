"""Pictures and clips to learn from, drawn; and a network small enough to learn in seconds."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from film.network import FilmConfig

TINY = FilmConfig(
    pyramid_levels=2,
    fusion_pyramid_levels=2,
    specialized_levels=1,
    sub_levels=2,
    filters=4,
    flow_convs=(1, 1),
    flow_filters=(4, 4),
)


def texture(seed: int, *, height: int = 200, width: int = 240) -> NDArray[np.uint8]:
    """Draw noise of several sizes, `(H, W, 3)`."""
    random = np.random.default_rng(seed)
    picture = np.full((height, width, 3), 128.0, np.float32)
    for cells in (3, 9, 27):
        noise = random.normal(0, 30, (cells, cells, 3)).astype(np.float32)
        picture += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    return picture.clip(0, 255).astype(np.uint8)


def write_clip(path: Path, frames: int) -> None:
    """Write frames in which a texture moves to the left by 3 pixels each."""
    wide = texture(99, width=240 + 3 * frames)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (240, 200))
    for index in range(frames):
        writer.write(np.ascontiguousarray(wide[:, 3 * index : 3 * index + 240, ::-1]))
    writer.release()


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder of 20 photographs, the least to learn from."""
    folder = tmp_path_factory.mktemp("photographs")
    for seed in range(20):
        cv2.imwrite(str(folder / f"{seed:02d}.png"), texture(seed)[..., ::-1])
    return folder
