"""Django's settings: `local` for development, `production`, and `test`, each on top of `base`.

`manage.py`, `make demo` and `make serve` use `local`; web server and workers that are started by
themselves use `production`. `DJANGO_SETTINGS_MODULE` names another.
"""
