#!/bin/sh
# The page that the orchestrator serves, from its locked packages: frontend/dist
set -eu
cd frontend
npm ci --no-audit --no-fund
npm run build
