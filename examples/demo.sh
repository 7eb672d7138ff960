#!/bin/sh
# The main job, start to end: a vault made and filled from C, read from Python. Called by `make demo`.
set -eu
cd "$(dirname "$0")/.."
cargo=${CARGO:-cargo} python=${PYTHON:-python3} target=${TARGET:-target} cc=${CC:-cc}

step() { printf '\n%s\n' "[$1/6] $2"; }
missing() { echo "panseal's demo needs $1" >&2; exit 1; }

command -v "$cc" >/dev/null || missing "a C compiler (gcc)"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || missing "python3, 3.11 or newer"

step 1 "building libpanseal.so and the Python extension (some minutes the first time)"
"$cargo" build --quiet --release --package panseal-c
"$cargo" build --quiet --release --package panseal-python
rm -f bindings/python/panseal/_native.abi3.so
cp "$target/release/lib_native.so" bindings/python/panseal/_native.abi3.so

folder=$(mktemp -d "${TMPDIR:-/tmp}/panseal-demo.XXXXXX")
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/keys" "$folder/lib"
step 2 "a temporary folder for root key and vault: $folder"

step 3 "compiling examples/c/tokenize.c as C89"
cp "$target/release/libpanseal.so" "$folder/lib/libpanseal.so.0"
ln -s libpanseal.so.0 "$folder/lib/libpanseal.so"
"$cc" -std=c89 -Wall -Iinclude examples/c/tokenize.c -L"$folder/lib" -lpanseal -Wl,-rpath,"$folder/lib" \
    -o "$folder/tokenize"

step 4 "C: a root key, a vault, and a token for a test card"
vault=sqlite:$folder/cards.db root=file:$folder/keys/cards.root
token=$("$folder/tokenize" "$vault" "$root" 2>"$folder/said") || { cat "$folder/said" >&2; exit 1; }
cat "$folder/said"

step 5 "Python: the same file, the same token"
PYTHONPATH=bindings/python "$python" examples/python/tokenize.py "$vault" "$root" "$token" | tee "$folder/heard"

step 6 "searching the vault's files and all that was printed for the card number"
"$python" tests/find_number.py 4242424242424242 "ADA BYRON" "$folder"/cards.db* "$folder/said" "$folder/heard"

cat <<END

What happened: a C program checked a card, made a token for it and stored the card number encrypted in an SQLite
file; a Python program opened the same file, found the token and asked for the number with a reason, which stands in
the vault's audit trail. Neither file nor output holds the number. The folder is removed now.
END
