#!/usr/bin/env python
"""Django's command line for this project."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

from config import env

LOCAL = "config.settings.local"


def main() -> None:
    # `config` takes production's, as web server and workers do, where nothing is named.
    if not env.SETTINGS_ARE_NAMED:
        os.environ["DJANGO_SETTINGS_MODULE"] = LOCAL
    try:
        if os.environ["DJANGO_SETTINGS_MODULE"] == LOCAL:
            # Not in production, which has its servers and need not have `dev`.
            from dev import embedded  # noqa: PLC0415 - customers have no dev

            embedded.provide()
        # Now, since Django's help hides what is wrong there.
        env.require_settings()
    except (ImproperlyConfigured, RuntimeError) as error:
        sys.exit(f"error: {error}")
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
