#!/usr/bin/env bash
# Bring what the tests drive and pip cannot: a Chromium, the Mosquitto broker, a PostgreSQL. By apt-get where it may,
# otherwise say what to install. A missing part fails here, loudly: no test is skipped for want of it.
set -euo pipefail

have_chromium() { sh scripts/find_chromium.sh >/dev/null; }

have_mosquitto() { command -v mosquitto >/dev/null && command -v mosquitto_passwd >/dev/null; }

have_postgres() { sh scripts/find_postgres.sh >/dev/null; }

# Prints each missing part, by the names given for the browser, the broker and the database.
missing() {
    have_chromium || echo "${1:-chromium}"
    have_mosquitto || echo "${2:-mosquitto}"
    have_postgres || echo "${3:-postgresql}"
}

may_install() {
    command -v apt-get >/dev/null || return 1
    [ "$(id -u)" -eq 0 ] || sudo -n true 2>/dev/null
}

apt_get() {
    local root=(env)
    if [ "$(id -u)" -ne 0 ]; then root=(sudo -n env); fi
    "${root[@]}" DEBIAN_FRONTEND=noninteractive apt-get -qq "$@" </dev/null >/dev/null
}

if [ -z "$(missing)" ]; then exit 0; fi

if may_install; then
    chromium=chromium
    if grep -q '^ID=ubuntu' /etc/os-release; then chromium=chromium-browser; fi
    packages=$(missing "$chromium" | tr '\n' ' ')
    echo "Installing for the tests: $packages…"
    # shellcheck disable=SC2086 # a list of package names
    { apt_get update && apt_get install --yes --no-install-recommends $packages; } || echo "apt-get could not." >&2
    if [ -z "$(missing)" ]; then exit 0; fi
fi

if [ "$(uname -s)" = Darwin ]; then
    how=$(missing "brew install --cask chromium" "brew install mosquitto" "brew install postgresql")
else
    how=$(missing "apt-get install chromium (as root)" "apt-get install mosquitto (as root)" \
        "apt-get install postgresql (as root)")
fi
echo "The tests drive a real browser, a real broker and a real database. Please install what is missing:" >&2
echo "$how" | sed 's/^/    /' >&2
exit 1
