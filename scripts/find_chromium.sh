#!/bin/sh
# Print the Chromium that browser tests and pictures drive. Prints nothing and fails where there is none.
for name in chromium chromium-browser google-chrome; do
    if command -v "$name"; then exit 0; fi
done
for app in "/Applications/Chromium.app/Contents/MacOS/Chromium" "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"; do
    if [ -x "$app" ]; then
        echo "$app"
        exit 0
    fi
done
exit 1
