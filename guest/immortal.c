// Makes every object of the pre-initialised image immortal.
//
// CPython 3.12 and later neither count nor free references to immortal objects (PEP 683). Without this, a fresh instance
// would write to the reference count of whatever it touches, and each such write is a private copy of a page.

#include <Python.h>
#include <stdint.h>
#include "guest.h"

typedef struct {
  PyObject **items;
  size_t length, capacity;
} Stack;

static int is_immortal(PyObject *object) { return object->ob_refcnt == _Py_IMMORTAL_REFCNT; }

static int push(PyObject *object, void *arg) {
  Stack *stack = arg;
  if (object == NULL || is_immortal(object)) {
    return 0;
  }
  if (stack->length == stack->capacity) {
    size_t capacity = stack->capacity ? stack->capacity * 2 : 1 << 16;
    PyObject **items = realloc(stack->items, capacity * sizeof *items);
    if (items == NULL) {
      abort(); // at pre-initialisation only: the build fails
    }
    stack->items = items;
    stack->capacity = capacity;
  }
  object->ob_refcnt = _Py_IMMORTAL_REFCNT;
  stack->items[stack->length++] = object;
  return 0;
}

static int push_tracked(PyObject *object, void *arg) {
  push(object, arg);
  return 1; // go on
}

// What a code object holds is not for the cyclic collector, so it has no traverse function.
static void push_code(PyCodeObject *code, Stack *stack) {
  PyObject *const parts[] = {
      code->co_consts, code->co_names, code->co_exceptiontable, code->co_localsplusnames, code->co_localspluskinds,
      code->co_filename, code->co_name, code->co_qualname, code->co_linetable,
  };
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    push(parts[i], stack);
  }
}

// Fills the pools of CPython's allocator that have room, a few per size and all over the image. An instance then
// allocates from new pools, which lie side by side: it writes to fewer pages.
void fill_pools(void) {
  enum { POOL_BYTES = 4096, POOL_HEADER_BYTES_MAX = 64, SIZE_MAX_BYTES = 512, ALIGNMENT = 8 };
  for (size_t size = ALIGNMENT; size <= SIZE_MAX_BYTES; size += ALIGNMENT) {
    for (;;) {
      void *block = PyObject_Malloc(size);
      if (block == NULL) {
        abort();
      }
      if ((uintptr_t)block % POOL_BYTES <= POOL_HEADER_BYTES_MAX) { // the first block of a new pool
        PyObject_Free(block);
        break;
      }
    }
  }
}

void make_objects_immortal(void) {
  Stack stack = {0};
  PyUnstable_GC_VisitObjects(push_tracked, &stack);
  while (stack.length > 0) {
    PyObject *object = stack.items[--stack.length];
    push((PyObject *)Py_TYPE(object), &stack);
    if (PyCode_Check(object)) {
      push_code((PyCodeObject *)object, &stack);
    }
    traverseproc traverse = Py_TYPE(object)->tp_traverse;
    if (traverse != NULL) {
      traverse(object, push, &stack);
    }
  }
  free(stack.items);
}
