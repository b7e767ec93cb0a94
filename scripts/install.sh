#!/usr/bin/env bash
# Installs `oc` from this checkout, for the user who runs this: no root, no server, no environment of Python's.
# A server gives the same to its users: curl -fsSL http://HOST/install.sh | bash
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/src/oc/server/install.sh"

PACK='import sys; sys.path.append(sys.argv[1]); from oc.server.cli_archive import archive; sys.stdout.buffer.write(archive())'
begin
"$python" -I -B -c "$PACK" "$root/src" >"$work/oc.tar.gz"
put_in_place "$work/oc.tar.gz"
finish
