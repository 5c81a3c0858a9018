#!/bin/sh
# Makes .venv from requirements.lock; does nothing when it is up to date.
#
# Every download is checked against the lock's hashes, uv's own included: pip
# fetches uv, uv installs the rest (about four times as fast as pip). Where uv
# cannot reach what pip is configured for, pip installs everything.
#
# PYTHON names the interpreter to use; without it the first of python3,
# python3.13, python3.12 and python3.11 that is new enough.
set -eu

LOCK=requirements.lock
VENV=.venv
LOG=.venv-setup.log

fail() {
    printf 'error: %s\n' "$1" >&2
    exit 1
}

up_to_date() {
    cmp -s "$LOCK" "$VENV/installed.lock" && "$VENV/bin/python" -c '' 2>/dev/null
}

new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        command -v "$PYTHON" >/dev/null 2>&1 || fail "PYTHON=$PYTHON is not a command."
        new_enough "$PYTHON" || fail "PYTHON=$PYTHON is older than Python 3.11, which this project needs."
        return
    fi
    for PYTHON in python3 python3.13 python3.12 python3.11; do
        if new_enough "$PYTHON"; then
            return
        fi
    done
    found=$(python3 --version 2>/dev/null || echo 'no python3 at all')
    fail "Python 3.11 or newer is needed, found $found. Install one and name it: make PYTHON=python3.12"
}

# Says in one line why an installer failed; its whole output stays in $LOG.
explain() {
    if grep -qiE 'do not match the hashes|hash mismatch' "$LOG"; then
        fail "a downloaded package does not match requirements.lock; nothing was installed from it (see $LOG)."
    fi
    if grep -qiE 'no space left' "$LOG"; then
        fail "the disk is full (see $LOG)."
    fi
    if grep -qiE 'connection|resolve|timed out|timeout|network|unreachable|no matching distribution' "$LOG"; then
        fail "no package registry can be reached; check the network or pip's index-url setting (see $LOG)."
    fi
    fail "installing the packages failed: $(tail -n 1 "$LOG") (see $LOG)"
}

main() {
    if up_to_date; then
        return
    fi
    find_python
    version=$("$PYTHON" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null ||
        fail "Python $version has no venv module. On Debian or Ubuntu: sudo apt install python$version-venv"
    (: >"$LOG") 2>/dev/null || fail "cannot write to $(pwd), where $VENV is made."

    printf 'Setting up %s with Python %s; needed once ...\n' "$VENV" "$version"
    if [ ! -x "$VENV/bin/pip" ] || ! "$VENV/bin/python" -c '' 2>/dev/null; then
        rm -rf "$VENV"
        "$PYTHON" -m venv "$VENV" >>"$LOG" 2>&1 || explain
    fi
    rm -f "$VENV/installed.lock"

    # uv's own lines of the lock: from "uv==" to the first that is not continued.
    awk '/^uv==/ { on = 1 } on { print } on && !/\\$/ { exit }' "$LOCK" >"$VENV/uv.lock"
    "$VENV/bin/python" -m pip install --quiet --retries 2 --require-hashes --no-deps \
        --requirement "$VENV/uv.lock" >>"$LOG" 2>&1 || explain

    index=$("$VENV/bin/python" -m pip config get global.index-url 2>/dev/null || true)
    if [ -n "$index" ] && [ -z "${UV_DEFAULT_INDEX:-}${UV_INDEX_URL:-}" ]; then
        UV_DEFAULT_INDEX=$index
        export UV_DEFAULT_INDEX
    fi
    # Where Python may not write bytecode itself, each of the demo's processes
    # would compile Django anew: seconds, every time.
    compile=
    if [ -n "${PYTHONDONTWRITEBYTECODE:-}" ]; then
        compile=--compile-bytecode
    fi
    if ! "$VENV/bin/uv" pip sync --quiet $compile --python "$VENV/bin/python" --require-hashes "$LOCK" 2>>"$LOG"; then
        "$VENV/bin/python" -m pip install --quiet --retries 2 --require-hashes --no-deps \
            --requirement "$LOCK" >>"$LOG" 2>&1 || explain
    fi
    cp "$LOCK" "$VENV/installed.lock"
    rm -f "$LOG"
}

main
