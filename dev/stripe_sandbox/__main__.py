"""``python -m dev.stripe_sandbox --port 0 --state-dir DIR``: run the sandbox until SIGTERM."""

import argparse
import fcntl
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path

from dev.stripe_sandbox.accounts import Accounts
from dev.stripe_sandbox.context import Context
from dev.stripe_sandbox.resources.clockwork import catch_up
from dev.stripe_sandbox.server import LOOPBACK, SandboxServer

CATCH_UP_SECONDS = 60


def main() -> int:
    options = _options()
    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.WARNING,
        format="%(asctime)s %(name)s %(levelname)s %(message)s",
    )
    options.state_dir.mkdir(parents=True, exist_ok=True)
    lock = (options.state_dir / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"Another sandbox is using {options.state_dir}.", file=sys.stderr)
        return 1
    accounts = Accounts(options.state_dir, key=options.key)
    try:
        server = SandboxServer(accounts, options.port)
    except OSError as error:
        print(f"Cannot listen on {LOOPBACK}:{options.port}: {error.strerror}", file=sys.stderr)
        return 1
    accounts.start(server.url)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.stop())
    if options.port_file:
        _write_whole(options.port_file, str(server.server_address[1]))
    print(f"Stripe sandbox on {server.url}", flush=True)
    if options.until_eof:
        threading.Thread(target=_wait_for_eof, args=(server,), daemon=True).start()
    threading.Thread(target=_keep_time, args=(accounts,), daemon=True).start()
    server.serve_forever(poll_interval=0.1)
    server.server_close()
    accounts.stop()
    lock.close()
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="stripe_sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one (default)")
    parser.add_argument("--state-dir", type=Path, required=True, help="where the data is kept")
    parser.add_argument("--key", type=_test_key, help="the first account's only key (sk_test_...)")
    parser.add_argument("--port-file", type=Path, help="write the port here once it listens")
    parser.add_argument(
        "--until-eof", action="store_true", help="also stop when standard input ends"
    )
    parser.add_argument("--verbose", action="store_true", help="log every request")
    return parser.parse_args()


def _keep_time(accounts: Accounts) -> None:
    while True:
        for api in accounts.all():
            with api.store.transaction():
                catch_up(Context(store=api.store, now=api.store.now(), base_url=api.base_url))
            api.deliveries.wake()
        time.sleep(CATCH_UP_SECONDS)


def _wait_for_eof(server: SandboxServer) -> None:
    """So that the sandbox does not outlive a parent that was killed."""
    while os.read(sys.stdin.fileno(), 1024):
        pass
    server.stop()


def _test_key(value: str) -> str:
    if not value.startswith(("sk_test_", "rk_test_")):
        raise argparse.ArgumentTypeError("must be a test key (sk_test_... or rk_test_...)")
    return value


def _write_whole(path: Path, text: str) -> None:
    """A reader sees the file complete or not at all."""
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    partial.write_text(text)
    partial.replace(path)


if __name__ == "__main__":
    sys.exit(main())
