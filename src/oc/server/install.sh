#!/usr/bin/env bash
# Installs `oc`, the command line of OpenComputer, for the user who runs this: no root, nothing outside of their home.
#
#     curl -fsSL http://HOST/install.sh | bash
#
# OC_INSTALL_DIR: where `oc` goes (~/.local/bin)
#
# This must run under the bash 3.2 of macOS. Here are functions only; what calls them is the very last line, so that a
# download which breaks off does nothing.
set -euo pipefail
umask 022

PLACES="/opt/homebrew/bin /usr/local/bin" # where there may be a Python that PATH does not lead to
MARK="Put here by OpenComputer's install.sh"

say() { printf '%s\n' "$@"; }
warn() { printf '%s\n' "$@" >&2; }
fail() {
    printf 'Error: %s\n' "$1" >&2
    shift
    [ $# = 0 ] || printf '  %s\n' "$@" >&2
    exit 1
}
has() { command -v "$1" >/dev/null 2>&1; }

main() { # URL of the server, SHA-256 of its archive
    begin
    download "$1/install/oc.tar.gz" "$work/oc.tar.gz"
    [ "$(sha256 "$work/oc.tar.gz")" = "$2" ] ||
        fail "what $1/install/oc.tar.gz gave has not the checksum $2" "was the server just upgraded? run this again"
    put_in_place "$work/oc.tar.gz"
    "$bin/oc" config set --if-unset api-url "$1" </dev/null || warn "The server is to be set by hand: oc config set api-url $1"
    finish
}

begin() { # sets python, bin, versions, work and launcher
    case $(uname -s) in
    Linux | Darwin) ;;
    *) fail "oc runs on Linux and macOS, not on $(uname -s)" "on Windows, run this in WSL" ;;
    esac
    [ -d "${HOME:-}" ] || fail "HOME is not a directory: '${HOME:-}'"
    python=$(find_python) || no_python
    bin=${OC_INSTALL_DIR:-$HOME/.local/bin}
    mkdir -p -- "$bin"
    bin=$(cd -- "$bin" && pwd)
    [ ! -d "$bin/oc" ] || fail "$bin/oc is a directory" "set OC_INSTALL_DIR to install elsewhere"
    versions=$HOME/.local/share/opencomputer/cli
    mkdir -p "$versions"
    exec 9>"$versions/.lock" # one run after another; macOS has no flock(1), but what Python locks stays with descriptor 9
    "$python" -I -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX)'
    work=$(mktemp -d "$versions/.new.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    launcher=$(mktemp "$bin/.oc.XXXXXX")
    trap 'rm -rf "$work" "$launcher"' EXIT
}

# --- Python -----------------------------------------------------------------------------------------------------------

find_python() { # the newest that will do
    local name place
    for name in python3.14 python3.13 python3.12 python3.11 python3; do
        interpreter "$(command -v "$name")" && return
        for place in $PLACES; do
            interpreter "$place/$name" && return
        done
    done
    return 1
}

interpreter() { # PROGRAM: prints the program behind it, which outlives virtual environments and version managers
    [ -x "$1" ] || return 1
    # Without Apple's developer tools, this one opens a window that offers them.
    [ "$1" != /usr/bin/python3 ] || [ "$(uname -s)" != Darwin ] || xcode-select -p >/dev/null 2>&1 || return 1
    "$1" -I -c 'import sys; sys.exit(sys.version_info < (3, 11) or print(sys._base_executable))' </dev/null 2>/dev/null
}

no_python() {
    local way="install python3.11 or newer by the package manager of this system"
    if [ "$(uname -s)" = Darwin ]; then
        way="brew install python"
    elif has apt-get; then
        way="sudo apt-get install python3.11    (or newer)"
    elif has dnf; then
        way="sudo dnf install python3.12"
    elif has apk; then
        way="apk add python3"
    fi
    fail "oc needs Python 3.11 or newer, and there is none on PATH" "$way" "then run this again"
}

# --- the archive ------------------------------------------------------------------------------------------------------

download() { # URL FILE
    if has curl; then
        curl -fsSL --connect-timeout 20 -o "$2" "$1" </dev/null
    elif has wget; then
        wget -q -O "$2" "$1" </dev/null
    else
        fail "neither curl nor wget is here"
    fi || fail "cannot download $1"
}

sha256() { # FILE
    if has sha256sum; then sha256sum <"$1"; else shasum -a 256 <"$1"; fi | cut -c 1-64
}

put_in_place() { # ARCHIVE
    local version former
    version=$(sha256 "$1" | cut -c 1-12)
    mkdir "$work/version"
    "$python" -I -m tarfile -e "$1" "$work/version"
    if ! works "$versions/$version"; then
        rm -rf "${versions:?}/$version"
        rename "$work/version" "$versions/$version"
    fi
    "$python" -I -m compileall -q --invalidation-mode unchecked-hash "$versions/$version"
    works "$versions/$version" || fail "oc does not start with $python"

    former=$(readlink "$versions/current" || true)
    ln -s "$version" "$work/current"
    rename "$work/current" "$versions/current"
    write_launcher
    prune "$version" "$former"
}

works() { # VERSION
    "$python" -I -S -B "$1/oc/cli/installed.py" version </dev/null >/dev/null 2>&1
}

rename() { # FROM TO: mv(1) would move into a directory, or a link to one
    "$python" -I -c 'import os, sys; os.replace(*sys.argv[1:])' "$1" "$2"
}

write_launcher() {
    local program start
    program=$(quoted "$python")
    start=$(quoted "$versions/current/oc/cli/installed.py")
    if [ -e "$bin/oc" ] && ! grep -q "$MARK" "$bin/oc"; then
        rename "$bin/oc" "$bin/oc.former"
        warn "Another program was $bin/oc: it is $bin/oc.former now."
    fi
    cat >"$launcher" <<END
#!/bin/sh
# $MARK
python=$program
start=$start
[ -x "\$python" ] && [ -r "\$start" ] || { echo "oc: \$python or \$start is gone: install oc again" >&2; exit 1; }
exec "\$python" -I -S "\$start" "\$@"
END
    chmod 755 "$launcher"
    rename "$launcher" "$bin/oc"
}

quoted() { printf '%s\n' "$1" | sed -e "s/'/'\\\\''/g" -e "s/^/'/" -e "s/\$/'/"; }

prune() { # VERSION FORMER: the former one stays, as a command that runs may yet load more of it
    local path
    for path in "$versions"/*; do
        case ${path##*/} in
        current | "$1" | "$2") ;;
        *) rm -rf "$path" ;;
        esac
    done
    find "$versions" -maxdepth 1 -name '.new.*' -mtime +0 -exec rm -rf {} + # of a run that was killed
}

# --- what there is to know --------------------------------------------------------------------------------------------

finish() {
    say "Installed $("$bin/oc" version </dev/null) as $bin/oc" ""
    "$bin/oc" config show </dev/null
    case ":$PATH:" in
    *":$bin:"*) [ "$(command -v oc)" = "$bin/oc" ] || warn "" "Warning: another oc comes first on your PATH: $(command -v oc)" ;;
    *) warn_of_path ;;
    esac
}

warn_of_path() {
    local directory=$bin file line
    case $bin in "$HOME"/*) directory="\$HOME${bin#"$HOME"}" ;; esac
    line="export PATH=\"$directory:\$PATH\""
    case ${SHELL##*/} in
    zsh) file="~/.zshrc" ;;
    fish) file="~/.config/fish/config.fish" line="fish_add_path \"$directory\"" ;;
    bash) if [ "$(uname -s)" = Darwin ]; then file="~/.bash_profile"; else file="~/.bashrc"; fi ;;
    *) file="~/.profile" ;;
    esac
    warn "" "Warning: $bin is not on your PATH. Type this line, and add it to $file for the shells to come:" "" "    $line"
}
