#!/bin/bash
# Builds the guest image from its sources: guest/build.sh [OUTDIR]
#
# Stages, each skipped when its result is there (KB_WORK keeps them between runs; delete a folder to redo its stage):
#   tools  fetch  configure  compile  link  library  preinit  pack
# `guest/build.sh --from STAGE [OUTDIR]` redoes STAGE and what follows. guest/README.md says which inputs belong to which.
set -euo pipefail

from=all
# guest/build.sh --sources only fetches and patches the sources and prints where they are.
only_sources=
if [ "${1:-}" = --sources ]; then only_sources=1; shift; fi
if [ "${1:-}" = --from ]; then from=$2; shift 2; fi
guest=$(cd "$(dirname "$0")" && pwd)
project=$(dirname "$guest")
export KB_WORK=${KB_WORK:-${TMPDIR:-/tmp}/keelback-guest}
mkdir -p "$KB_WORK"
KB_WORK=$(cd "$KB_WORK" && pwd -P)
out=${1:-$KB_WORK/out}
mkdir -p "$out"
out=$(cd "$out" && pwd)
jobs=${JOBS:-$(nproc)}

# One input, one line; the lock file of crates/ pins the rest.
python_version=3.13.5
python_sha256=93e583f243454e6e9e4588ca2c2662206ad961659863277afcdb96801647d640
ziglang_version=0.17.0
ziglang_sha256=97079827064a7492cce5541ceb438ae8003ce1e54e399676da2d62fb7a5dc08b
tzdata_version=2026.6
tzdata_sha256=0a10eec6e13ef16b627fabed9a5f2ba61a62b1c67f327305f4e7e412a70b4aec

# Nothing of the machine or the moment may reach the image.
export SOURCE_DATE_EPOCH=1749600000 PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1 LC_ALL=C TZ=UTC
unset PYTHONPATH PYTHONHOME CFLAGS LDFLAGS CPPFLAGS
export ZIG_GLOBAL_CACHE_DIR=$KB_WORK/zig-cache ZIG_LOCAL_CACHE_DIR=$KB_WORK/zig-cache
export ZIG=$KB_WORK/tools/ziglang/zig
src=$KB_WORK/Python-$python_version
obj=$KB_WORK/obj
ext=$KB_WORK/ext
vendor=$KB_WORK/crates/vendor
cflags="-O3 -fno-strict-overflow -DNDEBUG"

say() { echo "guest: $*" >&2; }
check() { echo "$1  $2" | sha256sum --quiet -c - || { say "\`$2\` is not the pinned file"; exit 1; }; }

native_python() {
  local candidate
  for candidate in "${PYTHON313:-}" "$(command -v python3.13 || true)" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.13.*/bin/python3.13; do
    if [ -x "$candidate" ] && "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null; then
      "$candidate" -c 'import os, sys; print(os.path.realpath(sys.executable))'
      return
    fi
  done
  say "a native CPython 3.13 is needed (python3.13 on PATH, pyenv, or PYTHON313=FILE)"
  exit 1
}
python=$(native_python)

# A stage runs when its mark is missing, or from the one named by --from on.
forced=
stage() {
  [ "$from" = "$1" ] && forced=1
  if [ -n "$forced" ] || [ ! -e "$KB_WORK/.done-$1" ]; then
    forced=1 # what follows depends on it
    say "$1"
    "$1"
    touch "$KB_WORK/.done-$1"
  fi
}

tools() {
  mkdir -p "$KB_WORK/wheels"
  "$python" -m pip download -q --disable-pip-version-check --no-deps --only-binary :all: -d "$KB_WORK/wheels" \
    "ziglang==$ziglang_version" "tzdata==$tzdata_version"
  check "$ziglang_sha256" "$(echo "$KB_WORK"/wheels/ziglang-"$ziglang_version"-*.whl)"
  check "$tzdata_sha256" "$(echo "$KB_WORK"/wheels/tzdata-"$tzdata_version"-*.whl)"
  rm -rf "$KB_WORK/tools"
  mkdir -p "$KB_WORK/tools"
  (cd "$KB_WORK/tools" && "$python" -m zipfile -e "$KB_WORK"/wheels/ziglang-"$ziglang_version"-*.whl . && chmod +x ziglang/zig)
}

fetch() {
  # The machine's own mirror, another suite: a private list leaves the machine's sources as they are.
  local apt=$KB_WORK/apt archive=python3.13_$python_version.orig.tar.xz site
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$KB_WORK/src"
  if [ ! -e "$KB_WORK/src/$archive" ]; then
    site=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep -m1 '/debian$')
    echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $site trixie main" > "$apt/sources.list"
    local options=(-qq -o "Dir::Etc::sourcelist=$apt/sources.list" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$apt/lists"
      -o "Dir::Cache=$apt/cache" -o APT::Sandbox::User=root)
    apt-get "${options[@]}" update
    (cd "$KB_WORK/src" && apt-get "${options[@]}" source --download-only --tar-only python3.13)
  fi
  check "$python_sha256" "$KB_WORK/src/$archive"
  rm -rf "$src"
  tar -C "$KB_WORK" -xf "$KB_WORK/src/$archive"
  local patch
  for patch in "$guest"/patches/*.patch; do
    patch -d "$src" -p1 -s < "$patch"
  done
  mkdir -p "$KB_WORK/crates"
  cp "$guest"/crates/Cargo.{toml,lock} "$KB_WORK/crates/"
  touch "$KB_WORK/crates/lib.rs"
  (cd "$KB_WORK/crates" && cargo vendor -q --locked vendor > /dev/null)
}

configure() {
  rm -rf "$obj"
  mkdir -p "$obj"
  cd "$obj"
  # What configure must not look for on this machine: build.sh builds it (zlib ...), or it cannot exist (_socket ...).
  CC=$guest/cc.sh AR="$ZIG ar" RANLIB="$ZIG ranlib" CPP="$guest/cc.sh -E" CFLAGS=$cflags PKG_CONFIG_LIBDIR=/nonexistent \
    CONFIG_SITE=../Python-$python_version/Tools/wasm/config.site-wasm32-wasi \
    "../Python-$python_version/configure" -q --host=wasm32-unknown-wasi --build=x86_64-pc-linux-gnu \
    --with-build-python="$python" --disable-test-modules --without-ensurepip --prefix=/usr \
    --with-pymalloc --without-computed-gotos \
    py_cv_module_{zlib,_lzma,readline,_bz2,_sqlite3,_ssl,_hashlib,_ctypes,_curses,_uuid,_socket}=n/a > configure.out
  # configure's link tests pass for these, for headers declare them; wasi-libc has no such functions. Without mmap the
  # object allocator takes its arenas from malloc, which does not write zeros over fresh memory.
  local name
  for name in HAVE_EPOLL HAVE_EPOLL_CREATE1 HAVE_SYS_EPOLL_H HAVE_SETGROUPS HAVE_TIMERFD_CREATE HAVE_SYS_TIMERFD_H \
    HAVE_LIBINTL_H HAVE_MMAP; do
    sed -i "s|^#define $name 1|/* #undef $name */|" pyconfig.h
  done
}

compile() {
  cd "$obj"
  make -s -j"$jobs" libpython3.13.a Modules/_decimal/libmpdec/libmpdec.a Modules/_hacl/libHacl_Hash_SHA2.a \
    Modules/expat/libexpat.a pybuilddir.txt > make.out 2>&1 || { tail -20 make.out; exit 1; }
  rm -rf "$ext"
  mkdir -p "$ext"
  cd "$ext"
  local python_flags="-fvisibility=hidden -DPy_BUILD_CORE_BUILTIN -I../obj"
  python_flags+=" -I../Python-$python_version/Include -I../Python-$python_version/Include/internal"
  local modules=../Python-$python_version/Modules crates=../crates/vendor
  local zlib=$crates/libz-sys/src/zlib bzip2=$crates/bzip2-sys/bzip2-1.0.8 sqlite=$crates/libsqlite3-sys/sqlite3
  local lzma=$crates/liblzma-sys/xz/src/liblzma lzma_config=$crates/liblzma-sys
  local lzma_flags="-DHAVE_CONFIG_H=1 -I$lzma_config -I$lzma_config/xz/src/common"
  local part
  for part in api lzma lz check delta simple common rangecoder; do lzma_flags+=" -I$lzma/$part"; done
  {
    local file
    for file in adler32 crc32 deflate inffast inflate inftrees trees zutil compress uncompr infback; do
      echo "z_$file.o -DHAVE_UNISTD_H -I$zlib $zlib/$file.c"
    done
    for file in blocksort bzlib compress crctable decompress huffman randtable; do
      echo "bz_$file.o -DBZ_NO_STDIO -I$bzip2 $bzip2/$file.c"
    done
    for file in "$lzma"/{common,lzma,lz,check,delta,rangecoder,simple}/*.c; do
      case $file in *crc32_small.c | *crc64_small.c | *crc_clmul_consts_gen.c | *tablegen.c | *mt.c) continue ;; esac
      echo "lz_$(basename "$(dirname "$file")")_$(basename "$file" .c).o $lzma_flags $file"
    done
    # No threads, no shared memory between processes, no loading of code.
    echo "sqlite3.o -DSQLITE_THREADSAFE=0 -DSQLITE_OMIT_LOAD_EXTENSION -DSQLITE_OMIT_WAL -DSQLITE_OMIT_SHARED_CACHE" \
      "-DSQLITE_ENABLE_FTS5 -DSQLITE_ENABLE_RTREE -DSQLITE_ENABLE_MATH_FUNCTIONS -DSQLITE_ENABLE_DBSTAT_VTAB" \
      "-DSQLITE_ENABLE_COLUMN_METADATA -DSQLITE_TEMP_STORE=2 -D_WASI_EMULATED_GETPID -Dfcntl=kb_fcntl" \
      "-DSQLITE_DEFAULT_UNIX_VFS=\\\"unix\\\" $sqlite/sqlite3.c"
    echo "m_zlib.o $python_flags -I$zlib $modules/zlibmodule.c"
    echo "m_bz2.o $python_flags -I$bzip2 $modules/_bz2module.c"
    echo "m_lzma.o $python_flags -I$lzma/api -DLZMA_API_STATIC $modules/_lzmamodule.c"
    for file in "$modules"/_sqlite/*.c; do
      echo "m_sqlite_$(basename "$file" .c).o $python_flags -DSQLITE_OMIT_LOAD_EXTENSION -I$sqlite -I$modules/_sqlite $file"
    done
  } | sed "s|^|exec '$guest/cc.sh' -c -w $cflags -o |" | xargs -d '\n' -P "$jobs" -n 1 bash -c
}

link() {
  cd "$KB_WORK"
  local file
  for file in main host immortal locks; do
    "$guest/cc.sh" -c $cflags -std=c11 -Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers -fvisibility=hidden \
      -D_WASI_EMULATED_SIGNAL -I"$src/Include" -I"$src/Include/internal" -I"$obj" "$guest/$file.c" -o "ext/$file.obj"
  done
  # No LTO: what a compiler knows of a malloc it must not believe of the inside of one.
  "$guest/cc.sh" -c $cflags -std=c11 -D_GNU_SOURCE -Wall -Wextra -fno-lto -fno-strict-aliasing \
    -fno-builtin-malloc -fno-builtin-calloc -fno-builtin-realloc -fno-builtin-free \
    -Icrates/vendor/libffi-sys/libffi/src "$guest/memory.c" -o ext/memory.obj
  # 16 MiB hold CPython's own limit of 5000 C calls at the size of the largest of their frames.
  "$guest/cc.sh" $cflags -mexec-model=reactor ext/main.obj ext/host.obj ext/immortal.obj ext/locks.obj ext/memory.obj ext/*.o obj/libpython3.13.a \
    obj/Modules/_decimal/libmpdec/libmpdec.a obj/Modules/_hacl/libHacl_Hash_SHA2.a obj/Modules/expat/libexpat.a \
    -lwasi-emulated-signal -lwasi-emulated-getpid -lwasi-emulated-process-clocks -lm \
    -z stack-size=16777216 -Wl,--export=__stack_pointer -s -o "$out/python.wasm"
}

builder() { CARGO_TARGET_DIR=${KB_TARGET:-$KB_WORK/target} cargo run -q --release --locked --manifest-path "$guest/builder/Cargo.toml" -- "$@"; }

library() {
  cd "$KB_WORK"
  "$python" "$guest/library.py" "$src" "$obj" "$(echo "$KB_WORK"/wheels/tzdata-*.whl)" "$guest" \
    "$project/python/keelback" "$out/root"
  builder pack "$out/root" "$out/library.pack"
}

preinit() { builder preinit "$out/python.wasm" "$out/library.pack" "$out/image.wasm"; }

pack() {
  local artefact=$guest/artefact
  mkdir -p "$artefact"
  zstd -q -f -19 --long=27 -T1 "$out/image.wasm" -o "$artefact/python.wasm.zst"
  zstd -q -f -19 --long=27 -T1 "$out/library.pack" -o "$artefact/library.pack.zst"
  {
    (cd "$artefact" && sha256sum python.wasm.zst library.pack.zst)
    echo "$(sha256sum < "$out/image.wasm" | cut -d' ' -f1)  python.wasm"
    echo "$(sha256sum < "$out/library.pack" | cut -d' ' -f1)  library.pack"
  } > "$artefact/SHA256SUMS"
  {
    echo "CPython $python_version (Debian source package python3.13, orig tarball, sha256 $python_sha256)"
    echo "ziglang $ziglang_version (PyPI, sha256 $ziglang_sha256)"
    echo "tzdata $tzdata_version (PyPI, sha256 $tzdata_sha256)"
    sed -n 's/^\([a-z0-9-]*-sys\) = "=\(.*\)"$/\1 \2 (crates.io)/p' "$guest/crates/Cargo.toml"
    sed -n '/^name = "\(wasmtime\|wasmtime-wizer\)"$/{N;s/name = "\(.*\)"\nversion = "\(.*\)"/\1 \2 (crates.io, pre-initialisation)/p}' "$guest/builder/Cargo.lock"
  } > "$artefact/VERSIONS"
  "$guest/inputs.sh" > "$artefact/INPUTS.sha256"
}

stage tools
stage fetch
if [ -n "$only_sources" ]; then
  echo "$src"
  exit
fi
stage configure
stage compile
stage link
stage library
stage preinit
stage pack
