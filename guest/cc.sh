#!/bin/bash
# The C compiler of the guest: `zig cc` for WASI, used as CC by CPython's makefile and by build.sh.
# ZIG names the zig executable, KB_WORK the build folder (kept out of the product). What zig does not know is dropped;
# -g is too, for debug information would only slow the link down (the product is stripped).
a=()
for x in "$@"; do case "$x" in -Wl,--stack-first|-ldl|-lpthread|-g) ;; *) a+=("$x") ;; esac; done
exec "$ZIG" cc -target wasm32-wasi \
  -mcpu=generic+bulk_memory+sign_ext+nontrapping_fptoint+mutable_globals+multivalue+simd128+tail_call \
  -flto -fno-sanitize=all -Wno-date-time -Wno-builtin-macro-redefined \
  -D__DATE__='"Jun 11 2025"' -D__TIME__='"00:00:00"' -ffile-prefix-map="$KB_WORK=/build" "${a[@]}"
