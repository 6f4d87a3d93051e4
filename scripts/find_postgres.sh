#!/bin/sh
# Print the directory of PostgreSQL's server programs (initdb, postgres). Prints nothing and fails where there is none.
# Debian keeps them out of PATH, a directory for each version; the newest is taken.
for bin in $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -t/ -k5 -rn) \
    /opt/homebrew/opt/postgresql*/bin /usr/local/opt/postgresql*/bin /usr/pgsql-*/bin; do
    if [ -x "$bin/initdb" ] && [ -x "$bin/postgres" ]; then
        echo "$bin"
        exit 0
    fi
done
if command -v initdb >/dev/null && command -v postgres >/dev/null; then
    dirname "$(command -v postgres)"
    exit 0
fi
exit 1
