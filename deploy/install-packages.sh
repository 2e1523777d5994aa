#!/bin/sh
# The Python packages, pinned, into a virtual environment: deploy/install-packages.sh /opt/venv
# The project itself is named in it but stays where it is: programs import it from the folder
# that they run in.
set -eu
python3 -m venv "$1"
"$1/bin/pip" install -q --no-cache-dir -r requirements.txt
"$1/bin/pip" install -q --no-cache-dir --no-deps -e .
