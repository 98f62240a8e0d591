"""Training of the compact network: what to learn from, how, and the loop.

Everything here needs the extra `train` (OpenCV) besides TensorFlow.
"""

__all__: list[str] = []
