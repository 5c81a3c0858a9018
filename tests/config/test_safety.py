"""`check --deploy` names and explains each thing that a live system must not have."""

from typing import Any

from config.safety import check_safety


def ids(settings: Any, **changed: Any) -> dict[str, bool]:
    """Ids of what is found, and whether each is an error."""
    live = {
        "DEBUG": False,
        "SECRET_KEY": "kR3vP8sT1wX6yB9cD2fG5hJ7mN4qZ0aE8uV3xL6pS1",
        "ALLOWED_HOSTS": ["billing.acme.test"],
        "STRIPE_LIVE_MODE": True,
        "STRIPE_API_BASE": "https://api.stripe.com",
        "SITE_URL": "https://billing.acme.test",
        "SECURE_SSL_REDIRECT": True,
        "EMAIL_HOST": "smtp.acme.test",
        "FINANCE_EMAILS": ["finance@acme.test"],
        "DEFAULT_FROM_EMAIL": "Acme <billing@acme.test>",
        "STAFF_SECOND_FACTOR": True,
        "SEAL_KEYS": ["a key"],
        "STAGING": False,
    }
    for name, value in (live | changed).items():
        setattr(settings, name, value)
    found = check_safety(None)
    assert all(each.hint for each in found)
    return {str(each.id): each.is_serious() for each in found}


def test_a_live_system_passes(settings: Any) -> None:
    assert ids(settings) == {}


def test_each_fault_is_named(settings: Any) -> None:
    assert ids(settings, DEBUG=True) == {"config.E001": True}
    assert ids(settings, SECRET_KEY="django-insecure-" + "x1y2z3" * 9) == {"config.E002": True}
    assert ids(settings, ALLOWED_HOSTS=["*"]) == {"config.E003": True}
    assert ids(settings, EMAIL_HOST="") == {"config.E008": True}
    assert ids(settings, FINANCE_EMAILS=[]) == {"config.E009": True}
    assert ids(settings, SITE_URL="https://bills.acme.test") == {"config.E011": True}
    by_number = {"SITE_URL": "https://10.0.0.7", "ALLOWED_HOSTS": ["10.0.0.7"]}
    assert ids(settings, **by_number) == {"config.E012": True}
    assert ids(settings, **by_number, STAGING=True) == {"config.E012": False}
    assert ids(settings, STAFF_SECOND_FACTOR=False, SEAL_KEYS=[]) == {
        "config.W001": False,
        "config.W002": False,
    }


def test_staging_is_warned_of_what_it_may_have(settings: Any) -> None:
    of_staging = {"STRIPE_LIVE_MODE": False, "SECURE_SSL_REDIRECT": False, "STAGING": True}
    assert ids(settings, **of_staging) == {"config.E004": False, "config.E007": False}
