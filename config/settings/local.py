"""Settings for development and for `make demo`: the tools of `dev` are at hand."""

from config import env
from config.settings.base import *

INSTALLED_APPS += ["dev"]

# Who tries the demo has its password, and no app set up for it.
STAFF_SECOND_FACTOR = env.flag("STAFF_SECOND_FACTOR", False)

env.refuse_unknown()
