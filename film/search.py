"""Dense inverse search: where each pixel of one image lies in another, without a network.

Kroeger et al. (ECCV 2016, arXiv 1603.03590), as OpenCV has it: patches of the luma are matched
from coarse to fine by gradient descent, and the field that they give is smoothed. It is quick on
a processor, exact where motion is plain, and wrong in other places than a network's flow, so the
two together are better than either.
"""

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["inverse_search", "luma"]

# The least height and width that OpenCV takes.
_SMALLEST_SIDE = 12


def luma(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Give what `inverse_search` looks at: `(H, W, 3)` RGB to `(H, W)`, by Rec. 601."""
    return np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), np.uint8)


def inverse_search(
    first: NDArray[np.uint8], second: NDArray[np.uint8], padding: ArrayLike = ((0, 0), (0, 0))
) -> NDArray[np.float32]:
    """Find the flow between two images of each pair, both ways.

    Args:
        first: `(B, H, W)` luma, at least 12 high and wide.
        second: The same shape.
        padding: Rows above and below, and columns left and right, that repeat the picture's edge. Such stripes stand
            still whatever moves, and mislead the search where something comes in: it leaves them out, and its flow is
            repeated there. Where less than 12 pixels are left all is searched.

    Returns:
        `(2B, H, W, 2)`, (dx, dy) in pixels: of all pairs from the first image to the second (on the first's grid),
        then of all pairs from the second to the first.
    """
    height, width = first.shape[1:]
    (top, bottom), (left, right) = np.asarray(padding).tolist()
    if min(height - top - bottom, width - left - right) < _SMALLEST_SIDE:
        top = bottom = left = right = 0
    inside = np.s_[:, top : height - bottom, left : width - right]
    first, second = np.ascontiguousarray(first[inside]), np.ascontiguousarray(second[inside])
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flows = [
        search.calc(here, there, None)  # type: ignore[call-overload]
        for images, others in ((first, second), (second, first))
        for here, there in zip(images, others, strict=True)
    ]
    around = (0, 0), (top, bottom), (left, right), (0, 0)
    return np.asarray(np.pad(np.stack(flows), around, mode="edge"), np.float32)
