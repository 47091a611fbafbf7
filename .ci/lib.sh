# What run and nightly share: they source this file, nobody runs it.
#
# Everything happens in copies of the checkout inside one scratch folder, which is gone at the end:
# the checkout itself is only read. Each step is a shell function.

set -euo pipefail
exec </dev/null

export CI=true
export DEBIAN_FRONTEND=noninteractive
export PIP_NO_INPUT=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
unset CC CFLAGS PYTHONPATH PYTEST_ADDOPTS HYPOTHESIS_PROFILE
unset MQTTPROTO_PURE MQTTPROTO_SCANNER MQTTPROTO_EXPECT
# The copies may hold bytecode, and each of the many processes would make it anew otherwise.
unset PYTHONDONTWRITEBYTECODE

checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
scratch=$(mktemp -d)
mkdir "$scratch/tmp"
export TMPDIR=$scratch/tmp
system_path=$PATH
export PIP_CACHE_DIR=${PIP_CACHE_DIR:-$scratch/pip-cache}
# Servers that are packages of npm and PyPI. Keep the folder, and they need not be fetched each time.
peers=${MQTTPROTO_PEERS:-$scratch/peers}
export MQTTPROTO_AEDES=$peers/node_modules MQTTPROTO_AMQTT=$peers/amqtt/bin/python
suite_limit=30m
# Faults in the scanner are of no speed: the step fuzz plants them.
suite_options=(
    -n 2 --dist worksteal
    --deselect tests/test_fuzz.py::test_a_planted_fault_is_found_and_can_be_replayed
)
current=preparation
touch "$scratch/summary"

finish() {
    local status=$? running results
    running=$(jobs -p)
    # shellcheck disable=SC2086  # a list of numbers
    [[ -z $running ]] || kill $running 2>/dev/null || true
    results=$(sed 's/^/; /' "$scratch/summary" | tr -d '\n')
    rm -rf "$scratch"
    if ((status)); then
        echo "FAILED in $current after $SECONDS s"
    else
        echo "all passed in $SECONDS s$results"
    fi
}
trap finish EXIT

# steps NAME...: run these functions, each under a heading, and say how long each took. Those that
# are joined by + run at the same time.
steps() {
    local began names
    for current in "$@"; do
        began=$SECONDS
        if [[ $current == *+* ]]; then
            printf '\n=== %s at the same time\n' "$current"
            IFS=+ read -ra names <<<"$current"
            together "${names[@]}"
        else
            printf '\n=== %s\n' "$current"
            "$current"
        fi
        echo "--- $current: $((SECONDS - began)) s"
    done
}

# together NAME...: run these steps beside each other. Each prints when it and those before it have
# ended. They must not need the same copy, unless it is there already.
together() {
    local name failed=() pids=()
    for name in "$@"; do
        (steps "$name") >"$scratch/$name.out" 2>&1 &
        pids+=($!)
    done
    for name in "$@"; do
        wait "${pids[0]}" || failed+=("$name")
        pids=("${pids[@]:1}")
        cat "$scratch/$name.out"
    done
    if ((${#failed[@]})); then
        current=${failed[*]}
        return 1
    fi
}

# The oldest Python that the package supports, or another that will do.
find_python() {
    local candidate
    for candidate in ${PYTHON:-} python3.11 python3 python3.12 python3.13; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "no Python 3.11 or later: set PYTHON" >&2
    return 1
}

python=$(find_python)

# Whether clang can link what the fuzz harness needs: its runtime is a package of its own.
sanitizers_link() {
    echo 'int LLVMFuzzerTestOneInput(const char *d, long n) { return d == 0 && n == 1; }' \
        >"$scratch/probe.c"
    clang -fsanitize=fuzzer,address,undefined -o "$scratch/probe" "$scratch/probe.c" 2>/dev/null
}

# install PACKAGE...: Debian packages, for a machine that lacks what they bring.
install() {
    echo "installing $*"
    apt-get -qq update
    apt-get -qq install --no-install-recommends --yes "$@" >/dev/null
}

# Whatever the steps need from the system: Python with venv and headers, compilers, peers.
tools() {
    local missing=() version
    version=$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
    "$python" -c 'import ensurepip, venv' 2>/dev/null || missing+=("$version-venv")
    "$python" -c 'import os, sysconfig as s
os.stat(os.path.join(s.get_path("include"), "Python.h"))' 2>/dev/null || missing+=("$version-dev")
    command -v git >/dev/null || missing+=(git)
    command -v gcc >/dev/null || missing+=(gcc libc6-dev)
    command -v clang >/dev/null || missing+=(clang)
    PATH=$PATH:/usr/sbin command -v mosquitto >/dev/null || missing+=(mosquitto)
    command -v mosquitto_pub >/dev/null || missing+=(mosquitto-clients)
    if ((${#missing[@]})); then
        install "${missing[@]}"
    fi
    if ! sanitizers_link; then
        install "libclang-rt-$(clang -dumpversion | cut -d. -f1)-dev"
        sanitizers_link
    fi
    fetch_peers
    "$python" --version
    gcc --version | head -n 1
    clang --version | head -n 1
}

# The servers that are packages of npm and PyPI; amqtt needs what the tests' environment must not.
fetch_peers() {
    mkdir -p "$peers"
    if [[ ! -d $MQTTPROTO_AEDES && ! -e $peers/no-npm ]]; then
        # npm is too large to be installed for one server: where it is not, that is not tested.
        timeout 300 npm install --prefix "$peers" --no-audit --no-fund --silent aedes@0.51 ||
            { echo "aedes cannot be fetched" && rm -rf "$MQTTPROTO_AEDES" && touch "$peers/no-npm"; }
    fi
    if ! "$MQTTPROTO_AMQTT" -c 'import amqtt' 2>/dev/null; then
        "$python" -m venv "$peers/amqtt"
        "$MQTTPROTO_AMQTT" -m pip install -q amqtt
    fi
}

# fresh NAME: enter a new copy of the checkout with a new virtual environment, first in PATH.
fresh() {
    mkdir -p "$scratch/$1/src"
    git -c safe.directory="$checkout" -C "$checkout" \
        ls-files -z --cached --others --exclude-standard |
        tar -C "$checkout" --null --ignore-failed-read -T - -cf - |
        tar -C "$scratch/$1/src" -xf -
    "$python" -m venv "$scratch/$1/venv"
    enter "$1"
}

# enter NAME: go back to what `fresh NAME` made.
enter() {
    cd "$scratch/$1/src"
    PATH=$scratch/$1/venv/bin:$system_path
    hash -r
}

# What a contributor works in: an editable install, so the C scanner and interpreted modules.
enter_dev() {
    if [[ -d $scratch/dev ]]; then
        enter dev
    else
        fresh dev
        pip install -q -e '.[dev]'
    fi
}

# suite NAME COMMAND...: run a command that ends with pytest's summary, and keep that summary.
suite() {
    local name=$1 log=$scratch/$1.log
    local -x PYTEST_ADDOPTS=${suite_options[*]}
    shift
    fetch_peers
    timeout "$suite_limit" "$@" 2>&1 | tee "$log"
    echo "$name: $(tail -n 1 "$log" | sed 's/^[= ]*//; s/[= ]*$//')" >>"$scratch/summary"
}
