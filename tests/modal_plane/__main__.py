"""Starts a plane: python -m tests.modal_plane --port 9900 --state DIR."""

import argparse
import asyncio
import logging
import sys
from pathlib import Path
from typing import get_args

from tests.modal_plane.settings import Isolation, Settings
from tests.modal_plane.version import WrongModal, installed_modal, require_modal

__all__: list[str] = []


def parser() -> argparse.ArgumentParser:
    """Give what the command takes."""
    parser = argparse.ArgumentParser(prog="python -m tests.modal_plane", description=__doc__)
    parser.add_argument("--port", type=int, default=9900, help="of gRPC; HTTP takes the next ones; 0 for any")
    parser.add_argument("--state", type=Path, required=True, help="folder for what outlives the plane")
    parser.add_argument("--commit-at-exit", action="store_true", help="commit Volumes when a container ends")
    parser.add_argument("--commit-every-seconds", type=float, default=0.0, help="commit them meanwhile; 0 for never")
    parser.add_argument("--web-timeout-seconds", type=float, default=150.0, help="until a request is answered by 303")
    parser.add_argument("--period-scale", type=float, default=1.0, help="multiplies Periods; 0 holds them")
    parser.add_argument("--max-containers", type=int, default=8, help="per function, where the app sets no limit")
    parser.add_argument("--max-crashes", type=int, default=3, help="deaths of its container that an input survives")
    parser.add_argument("--isolation", choices=get_args(Isolation), default="auto", help="of containers' files")
    parser.add_argument("--proxy-token", action="append", default=[], dest="proxy_tokens", metavar="KEY:SECRET")
    return parser


def announce(url: str, http_url: str) -> None:
    """Say what a shell needs to reach the plane."""
    print(f"# ready: gRPC at {url}, HTTP at {http_url}")
    print(f"export MODAL_SERVER_URL={url} MODAL_TOKEN_ID=ak-local MODAL_TOKEN_SECRET=as-local", flush=True)


def main() -> None:
    """Serve until told to end."""
    options = vars(parser().parse_args())
    try:
        require_modal(installed_modal())
    except WrongModal as error:
        sys.exit(f"error: {error}")
    from tests.modal_plane.serve import serve  # needs the modal that we have just seen to be there

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("grpclib").setLevel(logging.WARNING)
    options["proxy_tokens"] = frozenset(options["proxy_tokens"])
    asyncio.run(serve(Settings(**options), announce))


main()
