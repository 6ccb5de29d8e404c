# Sourced by the scripts beside it: makes .venv and installs into it, once for each state of the requirements.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$root/.venv
python=$venv/bin/python

# Bytecode is kept even where the shell says otherwise: pip leaves the compiling to the first import (see below), and the
# tests start a hundred processes, each of which would compile JAX and all else again.
unset PYTHONDONTWRITEBYTECODE
export PYTHONPYCACHEPREFIX=${PYTHONPYCACHEPREFIX:-$venv/bytecode}

# first_python CANDIDATE...: the first that runs and is new enough.
first_python() {
  local candidate
  for candidate in "$@"; do
    [ -n "$candidate" ] || continue
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  return 1
}

find_python() {
  first_python "${PYTHON:-}" python3.11 python3.12 python3.13 python3 && return
  echo "Python 3.11 or newer is needed and none was found; install it, or name it with PYTHON=..." >&2
  return 1
}

# named_python NAME: a Python by its command, its path, or its version, which pyenv may have too.
named_python() {
  first_python "$1" "python$1" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1"*/bin/python && return
  echo "--python $1: no Python 3.11 or newer of that name or version was found; give its path" >&2
  return 1
}

# ensure_installed NAME PIP_ARGUMENTS...: does nothing when the same was installed from the same requirements before.
ensure_installed() {
  local name=$1 stamp state found
  shift
  stamp=$venv/.installed-$name
  state=$(cat "$root/pyproject.toml" "$root/constraints.txt" "${BASH_SOURCE[0]}" | cksum)" $*"
  [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$state" ] && return
  if [ ! -x "$python" ]; then
    found=$(find_python)
    "$found" -m venv "$venv"
  fi
  echo "installing ($name) into ${venv##*/} ..."
  # Modules are compiled when they are first imported: most of torch and transformers never is.
  "$python" -m pip install --quiet --disable-pip-version-check --no-compile "$@"
  echo "$state" > "$stamp"
}

# ensure_references PIP_ARGUMENTS...: the reference implementations, in this order and without dependencies: each of them
# alone would draw in torch's CUDA build or another torch. TORCH_INDEX can name the folder or index that has torch's CPU
# build.
ensure_references() {
  ensure_installed torch "$@" ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} torch==2.13.0
  ensure_installed parity "$@" --no-deps torchvision==0.28.0 torch-fidelity==0.4.0 torchmetrics==1.9.0 \
    clean-fid==0.1.35 pytorch-fid==0.3.0 prdc==0.2 piq==0.8.0 pytorch-msssim==1.0.0 lpips==0.1.4 DISTS_pytorch==0.1 \
    scikit-video==1.1.11 brisque==0.2.0 flip-evaluator==1.7 pyiqa==0.1.16 choix==0.4.1 evalica==0.4.2 sureal==0.9.0 \
    arena-rank==0.1.1 pycocotools==2.0.11 faster-coco-eval==1.8.0
  ensure_installed parity-needs "$@" tqdm requests lightning-utilities packaging transformers==5.23.0 POT==0.9.6 \
    krippendorff==0.9.0 statsmodels==0.15.0 pandas==3.1.1
}

# The exact versions of constraints.txt were resolved for Python 3.11; newer Pythons take what pip finds.
constraints() {
  local interpreter=$python
  [ -x "$interpreter" ] || interpreter=$(find_python)
  "$interpreter" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' && printf '%s\n' -c "$root/constraints.txt"
  return 0
}
