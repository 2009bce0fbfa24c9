#!/usr/bin/env bash
# Measures batches of 1, 8 and 64 images on the accelerator of this machine, in under
# four minutes once the environment is there, and writes JSON as it goes.
#
#   benchmarks/accelerator.sh [OUTPUT.json] [flags of uhseg_jax.benchmarks.accelerator]
#   benchmarks/accelerator.sh out.json --quick          # tiny sizes, to try the script
#
# Variables:
#   PYTHON  used as it is if it imports the package's needs; else a base for a new VENV
#   VENV    folder of the environment that is made and kept (.venv-accelerator)
#   JAX     what pip installs for the accelerator ("jax[cuda12]")
#   TORCH   what pip installs as the anchor ("torch transformers"); empty: no anchor
#   SECONDS_ALLOWED  after which the run is ended (235); what was written stays
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
output=accelerator.json
if [[ $# -gt 0 && $1 != --* ]]; then
  output=$1
  shift
fi
PYTHON=${PYTHON:-python3}
VENV=${VENV:-$root/.venv-accelerator}
JAX=${JAX:-jax[cuda12]}
TORCH=${TORCH-torch transformers}

export PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}
if ! "$PYTHON" -c 'import uhseg_jax.benchmarks.accelerator' 2>/dev/null; then
  if [[ ! -x $VENV/bin/python ]]; then
    "$PYTHON" -m venv "$VENV"
    "$VENV/bin/pip" install --quiet "$JAX" "$root"
    # shellcheck disable=SC2086  # several words
    [[ -z $TORCH ]] || "$VENV/bin/pip" install --quiet $TORCH
  fi
  PYTHON=$VENV/bin/python
fi

# torch needs memory of the device as well.
export XLA_PYTHON_CLIENT_MEM_FRACTION=${XLA_PYTHON_CLIENT_MEM_FRACTION:-0.6}
export TF_CPP_MIN_LOG_LEVEL=3
status=0
timeout "${SECONDS_ALLOWED:-235}" \
  "$PYTHON" -m uhseg_jax.benchmarks.accelerator --json="$output" "$@" || status=$?
echo "Written: $output"
exit "$status"
