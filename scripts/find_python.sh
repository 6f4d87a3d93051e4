#!/bin/sh
# Print the Python to set up with: at least 3.11, with venv. Otherwise say in one sentence what to install.
# An argument names the Python to use; without one the usual names are tried.
set -u

too_old=""
no_venv=""
for candidate in ${1:-python3.13 python3.12 python3.11 python3}; do
    # A name on the PATH may be an empty shim: only an answer counts.
    found=$("$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
    if ! "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
        too_old="$candidate is $found"
    elif ! "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
        no_venv="$candidate"
    else
        "$candidate" -c 'import sys; print(sys.executable)'
        exit 0
    fi
done

if [ -n "$no_venv" ]; then
    echo "$no_venv cannot make virtual environments: install its venv module (Debian, Ubuntu: apt-get install python3-venv)." >&2
elif [ -n "$too_old" ]; then
    echo "Replenish needs Python 3.11 or newer, but $too_old: install a newer one (macOS: brew install python), or name one with PYTHON=…" >&2
elif [ -n "${1:-}" ]; then
    echo "PYTHON=$1 does not run: name a Python 3.11 or newer." >&2
else
    echo "Replenish needs Python 3.11 or newer, and none was found (Debian, Ubuntu: apt-get install python3 python3-venv; macOS: brew install python)." >&2
fi
exit 1
