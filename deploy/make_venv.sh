#!/bin/sh
# Makes .venv, with a clear word when the system's Python cannot.
set -eu
python=${PYTHON:-python3}
command -v "$python" >/dev/null || { echo "Python 3.11 or newer is needed: $python was not found." >&2; exit 1; }
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "Python 3.11 or newer is needed; $python is $("$python" --version). Set PYTHON to another one." >&2
    exit 1
}
[ -x .venv/bin/python ] && .venv/bin/python -c 'import pip' 2>/dev/null && exit 0
if ! "$python" -c 'import ensurepip' 2>/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null
    else
        echo "Python's venv module is missing. On Debian and Ubuntu: sudo apt-get install python3-venv" >&2
        exit 1
    fi
fi
"$python" -m venv .venv
