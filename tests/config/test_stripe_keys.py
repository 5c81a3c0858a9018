"""Keys of further Stripe accounts: each name has its own, and a mistake names the setting."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.stripe_keys import further

DEFAULT_KEY = "sk_test_default"
DE, US = "sk_test_de", "rk_test_us"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("STRIPE_SECRET_KEY_ACME_DE", DE)
    monkeypatch.setenv("STRIPE_SECRET_KEY_US", US)
    return monkeypatch


def test_each_account_has_its_own_key(environment: pytest.MonkeyPatch, tmp_path) -> None:
    (tmp_path / "us").write_text(f"{US}\n")
    environment.delenv("STRIPE_SECRET_KEY_US")
    environment.setenv("STRIPE_SECRET_KEY_US_FILE", str(tmp_path / "us"))
    assert further(["acme_de", "us"], default_key=DEFAULT_KEY) == {"acme_de": DE, "us": US}


@pytest.mark.parametrize(
    ("names", "changes", "message"),
    [
        (["acme_de", "us", "us"], {}, "STRIPE_ACCOUNTS names us twice"),
        (["acme_de", "us", "fr"], {}, "STRIPE_SECRET_KEY_FR is not set"),
        (["acme_de", "us", "Acme"], {}, "STRIPE_ACCOUNTS must be names .*'Acme'"),
        (["acme_de", "us", "default"], {}, "STRIPE_ACCOUNTS must be names"),
        (["acme_de", "us", "key_file"], {}, "STRIPE_ACCOUNTS must be names"),
        (["acme_de"], {}, "STRIPE_SECRET_KEY_US is set, and STRIPE_ACCOUNTS does not name us"),
        (["acme_de", "us"], {"US": "sk_live_us"}, "STRIPE_SECRET_KEY_US must be a test key"),
        (["acme_de", "us"], {"US": "pk_test_us"}, "STRIPE_SECRET_KEY_US must be a secret key"),
        (["acme_de", "us"], {"US": DE}, "_US is the same key as STRIPE_SECRET_KEY_ACME_DE"),
        (["acme_de", "us"], {"US": DEFAULT_KEY}, "_US is the same key as STRIPE_SECRET_KEY\\."),
    ],
)
def test_a_mistake_is_named(
    environment: pytest.MonkeyPatch, names: list[str], changes: dict[str, str], message: str
) -> None:
    for name, key in changes.items():
        environment.setenv(f"STRIPE_SECRET_KEY_{name}", key)
    with pytest.raises(ImproperlyConfigured, match=message) as refused:
        further(names, default_key=DEFAULT_KEY)
    assert not any(key in str(refused.value) for key in (DE, US, "sk_live_us", "pk_test_us"))
