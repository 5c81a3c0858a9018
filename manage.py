#!/usr/bin/env python
"""Django's command line for this project."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

LOCAL = "config.settings.local"


def main() -> None:
    is_local = os.environ.setdefault("DJANGO_SETTINGS_MODULE", LOCAL) == LOCAL
    # Otherwise importing it would say that production's settings are meant.
    from config.env import require_settings  # noqa: PLC0415 - see above

    try:
        if is_local:
            # Not in production, which has its servers and need not have `dev`.
            from dev import embedded  # noqa: PLC0415 - customers have no dev

            embedded.provide()
        # Now, since Django's help hides what is wrong there.
        require_settings()
    except (ImproperlyConfigured, RuntimeError) as error:
        sys.exit(f"error: {error}")
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
