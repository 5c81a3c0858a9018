"""How the launcher ends early."""


class LauncherError(Exception):
    """The system cannot be started or goes down; the message is for whoever started it."""


class StopRequested(BaseException):
    """Ctrl-C or SIGTERM. Not an Exception: nothing on the way may swallow it."""
