# Sourced by the scripts beside it: makes .venv once per lock file and reports each step.
# Needs Python 3.11 or newer with venv, and nothing else.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
ROOT=$PWD
VENV=${QINGTING_VENV:-$ROOT/.venv}
STARTED=$SECONDS

step() { printf '\033[1m[%3ds]\033[0m %s\n' $((SECONDS - STARTED)) "$*"; }
fail() { printf '\033[31merror:\033[0m %s\n' "$*" >&2; exit 1; }

find_python() {
  local candidate
  for candidate in "${PYTHON:-}" python3.11 python3.12 python3.13 python3 python; do
    [ -n "$candidate" ] || continue
    if "$candidate" -c 'import sys; raise SystemExit(not ((3, 11) <= sys.version_info[:2] <= (3, 13)))' 2>/dev/null; then
      printf '%s' "$candidate"
      return
    fi
  done
  fail "Python 3.11, 3.12 or 3.13 was not found. Install one, or name it: PYTHON=/path/to/python $0"
}

# prepare_environment LOCK: installs the locked packages and this project into $VENV.
prepare_environment() {
  local lock=$1 python stamp wanted
  stamp=$VENV/.installed-$(basename "$lock" .txt)
  wanted=$(cat "$lock" pyproject.toml | cksum)
  if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
    step "environment is up to date ($VENV)"
    return
  fi
  python=$(find_python)
  if [ ! -x "$VENV/bin/python" ]; then
    step "creating a virtual environment with $("$python" --version 2>&1)"
    "$python" -m venv "$VENV" || fail "the venv module is missing (on Debian: apt-get install python3-venv)"
  fi
  step "installing the packages of $lock (about 200 MB to download on the first run)"
  "$VENV/bin/python" -m pip install --disable-pip-version-check --no-input --require-hashes --progress-bar on \
    --quiet --quiet -r "$lock" || fail "installation failed; check the network and run this again"
  step "installing qingting"
  "$VENV/bin/python" -m pip install --disable-pip-version-check --no-input --quiet --quiet --no-deps \
    --no-build-isolation --editable .
  printf '%s' "$wanted" >"$stamp"
}

# prepare_qwen: adds to $VENV what runs Qwen3-ASR in process; after prepare_environment.
prepare_qwen() {
  local stamp=$VENV/.installed-qwen wanted
  wanted=$(cat requirements/qwen.txt requirements/torch.txt | cksum)
  if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
    return
  fi
  step "installing torch and Transformers (200 MB to download for the processor's build, gigabytes for a graphics card's)"
  "$VENV/bin/python" -m pip install --disable-pip-version-check --no-input --require-hashes --no-deps --progress-bar on \
    --quiet --quiet -r requirements/qwen.txt || fail "installation failed; check the network and run this again"
  # Pinned, but without a hash: pip takes the build that its index has for this machine. Where that is the one for
  # graphics cards, PIP_EXTRA_INDEX_URL with PyTorch's index of processor builds makes it the small one.
  "$VENV/bin/python" -m pip install --disable-pip-version-check --no-input --progress-bar on --quiet --quiet \
    -r requirements/torch.txt || fail "torch could not be installed; the tests of Qwen3-ASR in process need it"
  printf '%s' "$wanted" >"$stamp"
}
