"""`python -m dev.launcher serve|demo|demo-reset`."""

import argparse
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

from django.core.exceptions import ImproperlyConfigured

from config.env import require_settings_apart
from dev.embedded import EmbeddedServiceError
from dev.launcher.errors import LauncherError, StopRequested
from dev.launcher.instance import only_instance
from dev.launcher.options import Options, read_options
from dev.launcher.reset import remove_local_data
from dev.launcher.stack import LOCAL_SETTINGS, Stack, print_summary
from dev.launcher.terminal import complain, say

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    """Run the command; 0 after a stop that was asked for, 1 with one line on stderr otherwise."""
    parser = argparse.ArgumentParser(prog="python -m dev.launcher")
    parser.add_argument("command", choices=["serve", "demo", "demo-reset"])
    command = parser.parse_args().command
    # Everything written from here on is the user's own.
    os.umask(0o077)
    for number in _STOP_SIGNALS:
        signal.signal(number, _request_stop)
    try:
        options = read_options()
        if command == "demo-reset":
            return _reset(options)
        with only_instance(options.local_dir):
            return _serve(options, with_demo=command == "demo")
    except (EmbeddedServiceError, ImproperlyConfigured, LauncherError) as error:
        if str(error):
            complain(f"error: {error}")
        return 1
    except StopRequested:
        return 0


def _serve(options: Options, *, with_demo: bool) -> int:
    os.environ["DJANGO_SETTINGS_MODULE"] = LOCAL_SETTINGS
    require_settings_apart()
    stack = Stack(options, is_demo=with_demo)
    try:
        stack.start()
        if with_demo:
            stack.load_demo()
        print_summary(options)
        stack.watch()
    finally:
        # A second Ctrl-C must not leave half of it running.
        for number in _STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        stack.stop()
    return 0


def _reset(options: Options) -> int:
    if not options.local_dir.exists():
        say(f"Nothing to forget: {options.local_dir} does not exist.")
        return 0
    with only_instance(options.local_dir):
        remove_local_data(options.local_dir)
    say(f"Forgot the data in {options.local_dir}.")
    if not options.own_database:
        say("The database that DATABASE_URL names is as it was.")
    return 0


def _request_stop(signum: int, frame: FrameType | None) -> NoReturn:
    raise StopRequested


if __name__ == "__main__":
    sys.exit(main())
