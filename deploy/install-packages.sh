#!/bin/sh
# The Python packages, pinned, into a virtual environment: deploy/install-packages.sh /opt/venv
set -eu
python3 -m venv "$1"
"$1/bin/pip" install -q --no-cache-dir -r requirements.txt
