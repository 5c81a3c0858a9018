"""How the sandbox starts, refuses to start, and ends."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import stripe

from dev.stripe_sandbox.testing import SandboxProcess

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env=os.environ | environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize("key", ["sk_live_x", "rk_live_x"])
def test_it_refuses_to_be_imported_beside_a_live_key(key: str) -> None:
    refused = run("-c", "import dev.stripe_sandbox", STRIPE_SECRET_KEY=key)
    assert refused.returncode == 1
    assert "STRIPE_SECRET_KEY is a live key" in refused.stderr


def test_it_refuses_to_be_imported_in_production() -> None:
    refused = run(
        "-c", "import dev.stripe_sandbox", DJANGO_SETTINGS_MODULE="config.settings.production"
    )
    assert refused.returncode == 1
    assert "does not run with production's settings" in refused.stderr


def test_it_takes_no_live_key_of_its_own(tmp_path: Path) -> None:
    refused = run("-m", "dev.stripe_sandbox", "--state-dir", str(tmp_path), "--key", "sk_live_x")
    assert refused.returncode == 2
    assert "must be a test key" in refused.stderr


def test_a_taken_port_is_one_clear_line(tmp_path: Path, sandbox_process: SandboxProcess) -> None:
    port = str(sandbox_process.port)
    refused = run("-m", "dev.stripe_sandbox", "--state-dir", str(tmp_path), "--port", port)
    assert refused.returncode == 1
    assert refused.stderr == f"Cannot listen on 127.0.0.1:{port}: Address already in use\n"


def test_a_second_one_on_the_same_state_is_refused(sandbox_process: SandboxProcess) -> None:
    state = str(sandbox_process.state_dir)
    refused = run("-m", "dev.stripe_sandbox", "--state-dir", state)
    assert refused.returncode == 1
    assert refused.stderr == f"Another sandbox is using {state}.\n"


def test_it_imports_nothing_of_django(tmp_path: Path) -> None:
    code = (
        "import sys, dev.stripe_sandbox.__main__, dev.stripe_sandbox.testing;"
        "print([m for m in sys.modules if m.split('.')[0] in ('django', 'djstripe', 'config')])"
    )
    assert run("-c", code).stdout == "[]\n"


def test_sigterm_ends_it_and_the_next_start_finds_the_data(tmp_path: Path) -> None:
    with SandboxProcess(tmp_path) as sandbox:
        client = stripe.StripeClient(sandbox.key, base_addresses={"api": sandbox.url})
        acme = client.v1.customers.create({"name": "Acme"})
        assert sandbox.stop() == 0
        sandbox.start()
        assert client.v1.customers.retrieve(acme.id).name == "Acme"
