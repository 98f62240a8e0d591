"""What images declare; nothing is built."""

import re
import shlex
from dataclasses import dataclass, field

from modal_proto import api_pb2 as api

__all__ = ["Image", "declared"]

INSTALL = re.compile(r"\bpip install\b(?P<arguments>.*)")
WITH_VALUE = {"--python", "--index-url", "--extra-index-url", "--find-links", "-r", "--requirement"}
BUILT_IN = {"pip", "wheel", "uv"}  # what Modal's own first layer installs


@dataclass
class Image:
    """The steps of an image, those of what it is built on first."""

    commands: list[str] = field(default_factory=list)
    packages: list[str] = field(default_factory=list)
    """Requirements as pip is given them."""
    environment: dict[str, str] = field(default_factory=dict)


def declared(message: api.Image, bases: list[Image]) -> Image:
    """Read an image's steps."""
    image = Image()
    for base in bases:
        image.commands += base.commands
        image.packages += base.packages
        image.environment |= base.environment
    for command in message.dockerfile_commands:
        image.commands.append(command)
        verb, _, rest = command.partition(" ")
        if verb == "ENV":
            image.environment |= dict(word.split("=", 1) for word in shlex.split(rest) if "=" in word)
        if verb == "RUN" and (found := INSTALL.search(rest)):
            image.packages += _requirements(found["arguments"])
    return image


def _requirements(arguments: str) -> list[str]:
    words, found = shlex.split(arguments.replace("$(command -v python)", "python")), []
    while words:
        word = words.pop(0)
        if word in WITH_VALUE:
            words = words[1:]
        elif not word.startswith("-") and word not in BUILT_IN:
            found.append(word)
    return found
