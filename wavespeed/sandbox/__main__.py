"""`python -m wavespeed.sandbox --port 8765`: the sandbox by itself, until Ctrl-C."""

import argparse
import contextlib
import threading

from . import Sandbox, serve
from .tasks import MODEL


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m wavespeed.sandbox", description="WaveSpeed, offline."
    )
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (%(default)s)")
    parser.add_argument("--port", type=int, default=8765, help="0 takes a free one (%(default)s)")
    parser.add_argument("--model", default=MODEL, help="which it answers for (%(default)s)")
    given = parser.parse_args()
    try:
        with (
            contextlib.suppress(KeyboardInterrupt),
            serve(Sandbox(model=given.model), host=given.host, port=given.port) as url,
        ):
            print(f"WaveSpeed sandbox on {url}", flush=True)  # noqa: T201 - what it is for
            threading.Event().wait()
    except (OSError, OverflowError) as error:
        parser.exit(1, f"Cannot listen there: {error}\n")


if __name__ == "__main__":
    main()
