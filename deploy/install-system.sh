#!/bin/sh
# What the product needs of Debian besides Python: a first process that reaps, and its own user.
set -eu
apt-get update -q
apt-get install -y -q --no-install-recommends tini redis-server ca-certificates
rm -rf /var/lib/apt/lists/*
id majlis >/dev/null 2>&1 || useradd --uid 10001 --user-group --home-dir /data --no-create-home majlis
