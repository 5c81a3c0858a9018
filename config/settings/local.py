"""Settings for development and for `make demo`: the tools of `dev` are at hand."""

from config import env
from config.settings.base import *

INSTALLED_APPS += ["dev"]

env.refuse_unknown()
