#!/bin/sh
# Is there a cargo, and is it new enough? Says in one line how to get one.
cargo=${1:-cargo}
want=85
version=$("$cargo" --version 2>/dev/null | sed -n 's/^cargo 1\.\([0-9]*\).*/\1/p')
if [ -z "$version" ] || [ "$version" -lt "$want" ]; then
    echo "panseal needs cargo 1.$want or newer; this gets it: curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh" >&2
    exit 1
fi
