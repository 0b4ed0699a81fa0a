// malloc and its family for the whole guest: Doug Lea's, as the crate libffi-sys carries it.
//
// The allocator of zig's libc never joins freed pieces, so that memory once used for one size was lost to all others
// (docs/decisions/0009-malloc.md). dlmalloc joins them, and prefers what is in use to fresh memory.

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

enum { WASM_PAGE_BYTES = 65536, WASM_PAGES_MAX = 65535 }; // of the last page, the end is no address

static void *more_memory(ptrdiff_t increment);

#define USE_DL_PREFIX 1
#define DLMALLOC_EXPORT static
#define MALLOC_ALIGNMENT _Alignof(max_align_t)
#define HAVE_MMAP 0
#define HAVE_MREMAP 0
#define MORECORE more_memory
#define MORECORE_CANNOT_TRIM 1
#define malloc_getpagesize ((size_t)WASM_PAGE_BYTES)
#define NO_MALLINFO 1
#define NO_MALLOC_STATS 1
#define NO_SEGMENT_TRAVERSAL 1
#define ABORT __builtin_trap()
#define LACKS_TIME_H 1 // seeds nothing from the clock
#define LACKS_FCNTL_H 1
#define LACKS_SYS_MMAN_H 1
#define LACKS_SYS_PARAM_H 1

#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Weverything"
#include <dlmalloc.c>
#pragma clang diagnostic pop

extern char __heap_base;

// Memory from here on holds the zeros it had when it was grown, but for the few words of a chunk's head.
static char *fresh;

static size_t memory_bytes(void) { return __builtin_wasm_memory_size(0) * WASM_PAGE_BYTES; }

// The allocator's sbrk. What the linker left behind the static data comes first.
static void *more_memory(ptrdiff_t increment) {
  static char *end;   // of what the allocator has
  static char *limit; // of the memory when it was last seen
  // The allocator gives up on growing in place once it was refused; here the next, smaller, request may well succeed.
  gm->mflags &= ~USE_NONCONTIGUOUS_BIT;
  if (end == NULL) {
    end = &__heap_base;
    limit = (char *)memory_bytes();
  }
  if (limit != (char *)memory_bytes()) { // not by this function
    end = limit = (char *)memory_bytes();
  }
  if (increment == 0) {
    return end;
  }
  if (increment < 0) {
    return MFAIL;
  }
  if ((size_t)increment > (size_t)(limit - end)) {
    size_t missing = (size_t)increment - (size_t)(limit - end);
    size_t pages = missing / WASM_PAGE_BYTES + (missing % WASM_PAGE_BYTES != 0);
    if (pages > WASM_PAGES_MAX - __builtin_wasm_memory_size(0) || __builtin_wasm_memory_grow(0, pages) == SIZE_MAX) {
      return MFAIL;
    }
    limit = (char *)memory_bytes();
  }
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wnull-pointer-arithmetic" // in the macro
#pragma clang diagnostic ignored "-Wgnu-null-pointer-arithmetic"
  if (gm->top != NULL && (char *)gm->top + gm->topsize + TOP_FOOT_SIZE == end) {
    chunk_plus_offset(gm->top, gm->topsize)->head = 0; // the mark at the end, soon in the middle of fresh memory
  }
#pragma clang diagnostic pop
  char *start = end;
  end += increment;
  return start;
}

// Before whatever may move the allocator's border downwards.
static void note_border(size_t beyond) {
  size_t border = (size_t)gm->top;
  border = border <= SIZE_MAX - beyond ? border + beyond : SIZE_MAX;
  if (border > (size_t)fresh) {
    fresh = (char *)border;
  }
}

static void *answer(void *memory) {
  if (memory == NULL) {
    errno = ENOMEM;
  }
  return memory;
}

void *malloc(size_t size) { return answer(dlmalloc(size)); }

void free(void *memory) {
  note_border(0);
  dlfree(memory);
}

void *calloc(size_t count, size_t item) {
  size_t size;
  if (__builtin_mul_overflow(count, item, &size)) {
    return answer(NULL);
  }
  note_border(0);
  char *memory = dlmalloc(size);
  if (memory != NULL) {
    size_t used = fresh + sizeof(struct malloc_chunk) > memory ? (size_t)(fresh + sizeof(struct malloc_chunk) - memory) : 0;
    memset(memory, 0, used < size ? used : size);
  }
  return answer(memory);
}

void *realloc(void *memory, size_t size) {
  note_border(0);
  return answer(dlrealloc(memory, size));
}

void *reallocarray(void *memory, size_t count, size_t item) {
  size_t size;
  return __builtin_mul_overflow(count, item, &size) ? answer(NULL) : realloc(memory, size);
}

// Takes more than it needs and gives back the rest, both before and behind.
static void *aligned(size_t alignment, size_t size) {
  enum { HEADS_BYTES = 4 * sizeof(struct malloc_chunk) };
  void *memory = alignment <= SIZE_MAX / 4 ? dlmemalign(alignment, size) : NULL;
  note_border(2 * alignment + HEADS_BYTES);
  return memory;
}

void *memalign(size_t alignment, size_t size) { return answer(aligned(alignment, size)); }
void *aligned_alloc(size_t alignment, size_t size) { return answer(aligned(alignment, size)); }
void *valloc(size_t size) { return answer(aligned(WASM_PAGE_BYTES, size)); }

int posix_memalign(void **result, size_t alignment, size_t size) {
  if (alignment % sizeof(void *) != 0 || alignment == 0 || (alignment & (alignment - 1)) != 0) {
    return EINVAL;
  }
  int before = errno;
  void *memory = aligned(alignment, size);
  errno = before;
  if (memory == NULL) {
    return ENOMEM;
  }
  *result = memory;
  return 0;
}

size_t malloc_usable_size(void *memory) { return dlmalloc_usable_size(memory); }

// Takes what is free between the pieces in use. An instance then allocates from memory that lies in one place: it writes to
// fewer pages than where heads and links of free pieces are all over the image.
void fill_holes(void) {
  while ((gm->dvsize | gm->smallmap | gm->treemap) != 0) {
    size_t size = gm->dvsize          ? gm->dvsize
                  : gm->smallmap != 0 ? small_index2size(__builtin_ctz(gm->smallmap))
                                      : chunksize(*treebin_at(gm, __builtin_ctz(gm->treemap)));
    dlmalloc(size - CHUNK_OVERHEAD);
  }
}
