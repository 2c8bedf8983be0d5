#!/bin/sh
# Create .venv with everything pinned in constraints.txt, checked by the hashes of constraints-hashed.txt.
# Does nothing when it is up to date.
set -eu
cd "$(dirname "$0")/.."

needed_kib=3000000

fail() {
  printf 'airflow-ml-provider: %s\n' "$1" >&2
  exit 1
}

supported() {
  "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1
}

choose_python() {
  if [ -n "${PYTHON:-}" ]; then
    supported "$PYTHON" || fail "PYTHON=$PYTHON is not Python 3.11, 3.12 or 3.13."
    echo "$PYTHON"
    return
  fi
  for candidate in python3 python3.12 python3.13 python3.11; do
    if supported "$candidate"; then
      echo "$candidate"
      return
    fi
  done
  found=$(python3 --version 2>/dev/null || echo "no python3")
  fail "needs Python 3.11, 3.12 or 3.13 (Airflow's Kubernetes provider starts at 3.11), found $found. Install one, or say which: make demo PYTHON=/path/to/python3.12"
}

make_venv() {
  rm -rf .venv
  "$python" -m venv .venv >/dev/null 2>&1 && return
  rm -rf .venv
  # Debian and Ubuntu ship venv apart from Python.
  version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  as_root=""
  [ "$(id -u)" = 0 ] || as_root="sudo -n"
  if command -v apt-get >/dev/null; then
    echo "Installing python$version-venv ..."
    if $as_root apt-get update -qq >/dev/null 2>&1 && $as_root apt-get install -y -qq "python$version-venv" >/dev/null 2>&1; then
      "$python" -m venv .venv >/dev/null 2>&1 && return
    fi
  fi
  fail "cannot create a virtual environment with $python. Install its venv module: apt-get install python$version-venv"
}

python=$(choose_python)
stamp=".venv/.stamp"
wanted=$(cat constraints-hashed.txt pyproject.toml scripts/bootstrap.sh | cksum)" $("$python" --version)"
[ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && exit 0

free_kib=$(df -Pk . | awk 'NR==2 {print $4}')
[ "$free_kib" -ge "$needed_kib" ] || fail "needs 3 GB of free disk here, $((free_kib / 1000)) MB are free."

started=$(date +%s)
echo "Creating .venv with $("$python" --version) (once, about a minute) ..."
make_venv
uv_pin=$(sed -n 's/^uv==\([^ ;]*\).*/uv==\1/p' constraints.txt)
.venv/bin/python -m pip --quiet --disable-pip-version-check --retries 2 install "$uv_pin" 2>.venv/pip.log ||
  fail "cannot download $uv_pin from the package index: is there a network? ($(tail -n 1 .venv/pip.log))"
UV_LINK_MODE=copy .venv/bin/uv pip install --quiet --python .venv/bin/python --compile-bytecode \
  --constraints constraints-hashed.txt --group dev --editable '.[s3,stage]' 2>.venv/uv.log ||
  fail "cannot install the packages of constraints.txt: is there a network? $(tail -n 5 .venv/uv.log)"
printf '%s' "$wanted" >"$stamp"
echo "Created .venv in $(($(date +%s) - started)) s."
