#!/bin/sh
# collect.sh TARGET FILE...: copy programs with the libraries they load into a root file system of their own.
set -eu
target=$1
shift
for file in "$@"; do
    for part in "$file" $(ldd "$file" | grep -o '/[^ )]*' || true); do
        mkdir -p "$target$(dirname "$part")"
        cp -L "$part" "$target$part"
    done
done
