"""The files of `deploy/` fit the project, each other, and the programs that read them."""

import configparser
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings
from dotenv import dotenv_values
from packaging.requirements import Requirement

from tests.docs.test_settings_table import documented, rows

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = [name for name, each in SERVICES.items() if str(each["image"]).startswith("billing:")]
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
PROXY = (DEPLOY / "nginx" / "billing.conf").read_text()
# Of a name on the usual registry, which needs no host before it.
IMAGE = re.compile(r"[a-z]+(/[a-z]+)?:[\w.${}:-]+")


def locked(path: Path) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==(\S+)", path.read_text(), re.MULTILINE))


def commands_of_the_docs() -> list[str]:
    page = (ROOT / "docs" / "operations.md").read_text()
    return re.findall(r"^\| (?:web|worker|beat) \| [^|]+ \| `([^`]+)` \|", page, re.MULTILINE)


def words(command: str | list[str]) -> list[str]:
    return command.split() if isinstance(command, str) else [str(each) for each in command]


def test_what_is_installed_is_what_was_tested_without_the_tests_own_tools() -> None:
    everything, production = (
        locked(ROOT / "requirements.lock"),
        locked(DEPLOY / "requirements.lock"),
    )
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {Requirement(each).name.lower() for each in project["dependencies"]}

    assert production.items() <= everything.items()
    assert needed <= production.keys()
    assert not production.keys() & {"pytest", "mypy", "ruff", "playwright", "schemathesis"}


def test_the_image_has_every_room_and_runs_without_rights() -> None:
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    steps = [line.split(maxsplit=1) for line in text.splitlines() if re.match(r"[A-Z]+ ", line)]
    froms = [what for step, what in steps if step == "FROM"]
    copied = [what.split()[0] for step, what in steps if step == "COPY" and "--from" not in what]
    rooms = {
        app.split(".")[0] for app in settings.INSTALLED_APPS if (ROOT / app.split(".")[0]).is_dir()
    }

    assert froms == ["python:${PYTHON}-slim AS build", "python:${PYTHON}-slim"]
    assert [name for name in copied if not (ROOT / name).exists()] == []
    assert rooms - {"dev"} | {"config", "templates", "static", "manage.py"} <= set(copied)
    assert next(what for step, what in reversed(steps) if step == "USER") == "10001:10001"
    assert "HEALTHCHECK" in {step for step, _ in steps}
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    assert {line[1:] for line in ignored if line.startswith("!")} == set(copied)


def test_every_part_of_the_composition_is_there() -> None:
    for name, service in SERVICES.items():
        assert IMAGE.fullmatch(service["image"]), name
        assert set(service.get("depends_on", {})) <= SERVICES.keys(), name
        assert set(service["networks"]) <= COMPOSE["networks"].keys(), name
        assert set(service.get("secrets", [])) <= COMPOSE["secrets"].keys(), name
        assert "healthcheck" in service or "web" in name, name
        for volume in service.get("volumes", []):
            source = volume["target"] if isinstance(volume, dict) else volume.split(":")[0]
            made_by_hand = {"./tls", "./billing.env", "/tmp"}
            known = source in COMPOSE["volumes"] or source in made_by_hand
            assert known or (DEPLOY / source).is_file(), (name, source)
    published = {name: each["ports"] for name, each in SERVICES.items() if "ports" in each}
    assert published == {"proxy": ["80:80", "443:443"]}


@pytest.mark.parametrize("name", OURS)
def test_our_containers_write_nowhere_and_get_their_secrets_as_files(name: str) -> None:
    service = SERVICES[name]
    environment = service["environment"]

    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert environment.keys() <= documented().keys() | {f"{each}_FILE" for each in documented()}
    named = {value for key, value in environment.items() if key.endswith("_FILE")}
    assert named - {"/etc/billing/billing.env"} == {f"/run/secrets/{s}" for s in service["secrets"]}
    # It counts proxies; what the address of ours is must not part from what is trusted.
    proxy = SERVICES["proxy"]["networks"]["inside"]["ipv4_address"]
    assert environment["TRUSTED_PROXIES"] == proxy


def test_the_proxy_of_the_composition_knows_where_the_web_servers_are() -> None:
    text = (DEPLOY / "nginx" / "upstream-compose.conf").read_text()
    web = [each for name, each in SERVICES.items() if name.startswith("web-")]
    assert re.findall(r"server ([\d.]+):8000 ", text) == [
        each["networks"]["inside"]["ipv4_address"] for each in web
    ]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_has_the_settings_file_and_no_rights(unit: Path) -> None:
    parsed = configparser.RawConfigParser(strict=False, interpolation=None)
    parsed.optionxform = str  # type: ignore[assignment,method-assign]
    parsed.read(unit)
    service = parsed["Service"]

    assert service["User"] == "billing"
    assert "Environment=ENV_FILE=/etc/billing/billing.env " in unit.read_text()
    assert service["NoNewPrivileges"] == "yes"
    assert service["ProtectSystem"] == "strict"
    if service["Type"] == "simple":
        assert service["Restart"] == "always"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_reads_the_units() -> None:
    files = sorted((DEPLOY / "systemd").iterdir())
    done = subprocess.run(
        ["systemd-analyze", "verify", *map(str, files)], capture_output=True, text=True, check=False
    )
    # The programs are not where they will be.
    wrong = [line for line in done.stderr.splitlines() if "is not executable" not in line]
    assert [line for line in wrong if "billing" in line] == []


def test_units_containers_and_the_page_start_the_same_programs() -> None:
    web, worker, beat = (words(each) for each in commands_of_the_docs())
    image = (DEPLOY / "Dockerfile").read_text()
    units = {each.stem: each.read_text() for each in UNITS}

    for word in web[:4]:
        assert word in units["billing-web@"]
        assert f'"{word}"' in image
    assert " ".join(worker) in units["billing-worker"]
    assert words(SERVICES["worker"]["command"]) == worker
    assert " ".join(beat) in units["billing-beat"]
    assert words(SERVICES["beat"]["command"])[:-1] == beat[:-1]


def test_the_example_of_settings_has_all_that_production_needs() -> None:
    given = dotenv_values(DEPLOY / "billing.env.example")
    required = {name for name, mark, _ in rows() if mark}

    assert required <= given.keys()
    assert given.keys() <= documented().keys() | {"DJANGO_SETTINGS_MODULE"}
    assert given["ISSUER_NAME"] == "Example Inc."
    # Without it SECRET_KEY makes the seals, and can never be dropped.
    assert "SEAL_KEYS" in given


def test_the_proxy_lets_through_what_the_system_takes_and_closes_first() -> None:
    serving = (ROOT / "config" / "serving" / "gunicorn.py").read_text()
    kept = int(re.findall(r"^keepalive = (\d+)", serving, re.MULTILINE)[0])
    megabytes = int(re.findall(r"client_max_body_size (\d+)m;", PROXY)[0])
    idle = re.findall(r"keepalive_timeout (\d+)s;", PROXY)
    idle += re.findall(r"keepalive_timeout (\d+)s;", (DEPLOY / "nginx/upstream.conf").read_text())

    assert megabytes * 2**20 > settings.API_MAX_BODY_BYTES
    assert idle
    assert all(int(seconds) < kept for seconds in idle)
    # What clients say of themselves does not get past it.
    assert "proxy_set_header X-Forwarded-Proto $scheme;" in PROXY


@pytest.mark.skipif(
    shutil.which("nginx") is None or shutil.which("openssl") is None, reason="nginx is missing"
)
@pytest.mark.parametrize("upstream", ["upstream.conf", "upstream-compose.conf"])
def test_nginx_takes_the_configuration(tmp_path: Path, upstream: str) -> None:
    key, certificate = tmp_path / "billing.key", tmp_path / "billing.crt"
    made = ["openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt"]
    made += ["ec_paramgen_curve:prime256v1", "-subj", "/CN=billing"]
    subprocess.run(
        [*made, "-keyout", str(key), "-out", str(certificate)], capture_output=True, check=True
    )
    config = PROXY.replace("/etc/nginx/tls", str(tmp_path)).replace(
        "/etc/nginx/billing-upstream.conf", str(DEPLOY / "nginx" / upstream)
    )
    (tmp_path / "nginx.conf").write_text(
        f"pid {tmp_path}/pid; error_log {tmp_path}/log; events {{}}\nhttp {{ {config} }}"
    )
    done = subprocess.run(
        ["nginx", "-t", "-q", "-c", str(tmp_path / "nginx.conf")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("script", sorted((DEPLOY / "bin").iterdir()), ids=lambda path: path.name)
def test_scripts_can_be_run(script: Path) -> None:
    assert script.stat().st_mode & 0o111
    assert subprocess.run(["sh", "-n", str(script)], check=False).returncode == 0


def test_secrets_are_made_once_and_long_enough(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    script = shutil.copy(DEPLOY / "bin" / "make-secrets", tmp_path / "bin")
    subprocess.run([script], check=True, capture_output=True)
    made = {each.name: each.read_text() for each in (tmp_path / "secrets").iterdir()}
    subprocess.run([script], check=True, capture_output=True)

    assert made.keys() | {"stripe_secret_key"} == COMPOSE["secrets"].keys()
    assert all(len(value) >= 60 and value == value.strip() for value in made.values())
    assert made["database_password"] in made["database_url"]
    assert made == {each.name: each.read_text() for each in (tmp_path / "secrets").iterdir()}
    assert (tmp_path / "secrets").stat().st_mode & 0o077 == 0
