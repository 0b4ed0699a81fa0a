#!/bin/bash
# Prints one hash over everything the image is made from, for artefact/INPUTS.sha256: a check compares the two.
set -euo pipefail
cd "$(dirname "$0")/.."
{
  find guest -type f -not -path 'guest/artefact/*' -not -path '*/target/*' -not -path '*/__pycache__/*' -not -name '*.md'
  printf '%s\n' python/keelback/_{assist,pretty,session}.py
} | LC_ALL=C sort | tr '\n' '\0' | xargs -0 sha256sum | sha256sum | cut -d' ' -f1
