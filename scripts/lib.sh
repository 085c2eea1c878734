# What the scripts share. To be sourced from the checkout's top folder: . scripts/lib.sh
# Everything that is installed or written stays in this folder (.venv, .cache), Debian's packages aside.

PACKAGES="busybox-static docker.io iproute2 python3 python3-venv"
TEST_PACKAGES="apache2-utils docker-compose docker-registry faketime jq openssl redis-server"
UNWANTED_SERVICES="docker-registry redis-server" # the tests start their own

step() { # step WHAT DETAIL...: one line that says what is under way
    printf '  · %-9s %s\n' "$1" "${*:2}" >&2
}

die() { # die SENTENCE [REMEDY]
    printf 'error: %s\n' "$1" >&2
    [ $# -lt 2 ] || printf 'hint:  %s\n' "$2" >&2
    exit 1
}

missing_packages() { # missing_packages NAME...: print those that dpkg does not know as installed
    local name
    for name in "$@"; do
        dpkg-query -W -f '${Status}' "$name" 2>/dev/null | grep -q '^install ok installed' || printf '%s ' "$name"
    done
}

need_packages() { # need_packages NAME...: install what is missing, as root on Debian; elsewhere the later steps complain
    command -v dpkg-query >/dev/null && [ "$(id -u)" = 0 ] || return 0
    local missing
    missing=$(missing_packages "$@")
    [ -n "$missing" ] || return 0
    step "packages" "$missing"
    # Without systemd a package's own start script would leave a service running that nobody asked for.
    [ -d /run/systemd/system ] || export RUNLEVEL=1
    export DEBIAN_FRONTEND=noninteractive
    local log=.cache/apt.log
    mkdir -p .cache
    # shellcheck disable=SC2086  # a list of names
    { apt-get update && apt-get install -y --no-install-recommends $missing; } </dev/null >"$log" 2>&1 ||
        die "apt-get could not install $missing: $(tail -n 1 "$log")" "install them by hand, then try again; all it said is in $log"
    local service
    for service in $UNWANTED_SERVICES; do
        case " $missing " in *" $service "*) systemctl disable --now "$service" >/dev/null 2>&1 || true ;; esac
    done
}

find_python() { # print the first Python on PATH that is 3.11 or newer
    local name
    for name in python3 python3.13 python3.12 python3.11; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$name"
            return
        fi
    done
    die "no Python 3.11 or newer is on PATH." "on Debian 12: apt-get install python3 python3-venv"
}

need_venv() { # make .venv hold exactly constraints.txt and ormen itself, from this folder; one script at a time
    local lock
    mkdir -p .cache
    exec {lock}>.cache/setup.lock
    flock "$lock"
    fill_venv
    exec {lock}>&-
}

fill_venv() {
    local mark=.venv/.ormen-pins pins
    pins=$(cat constraints.txt setup.cfg | sha256sum | cut -d ' ' -f 1)
    if [ "$(cat "$mark" 2>/dev/null)" = "$pins" ] && .venv/bin/python -c '' 2>/dev/null; then
        return
    fi
    step "python" "the packages of constraints.txt into .venv"
    if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
        rm -rf .venv
        "$(find_python)" -m venv .venv >.cache/venv.log 2>&1 ||
            die "no virtual environment could be made: $(tail -n 1 .cache/venv.log)" "on Debian: apt-get install python3-venv"
    fi
    PIP_CACHE_DIR=$PWD/.cache/pip .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
        --require-hashes -r constraints.txt ||
        die "pip could not install constraints.txt; its message stands above." "the packages come from the index that pip is set up with"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . ||
        die "pip could not install ormen from this folder."
    echo "$pins" >"$mark"
}

need_engine() { # set DOCKER_HOST to an engine that answers; start one of our own if there is none and that can be done
    DOCKER_HOST=$(python3 scripts/engine.py start) || exit 1
    export DOCKER_HOST
}

guarded() { # guarded SCRIPT ARGUMENT...: what follows runs as a child of scripts/guard.py, which cleans up behind it
    [ "${ORMEN_GUARD:-}" != "$PPID" ] || return 0
    local guard code=0
    "$(find_python)" scripts/guard.py 3< <(printf '%s\0' "$@") &
    guard=$!
    # A signal reaches the guard, which hands it on; this shell waits until all is gone.
    trap 'kill -INT "$guard" 2>/dev/null' INT
    trap 'kill -TERM "$guard" 2>/dev/null' TERM HUP
    while kill -0 "$guard" 2>/dev/null; do
        code=0
        wait "$guard" || code=$?
    done
    exit "$code"
}
