// The guest program: embeds CPython and offers the interface of docs/guest-abi.md.
//
// This file holds the exports and the interpreter's start; host.c holds the builtin module `_host`, which is the other
// direction. What a request means is Python (guest/lib/_keelback_guest): here it is only unmarshalled, called, marshalled.

#define Py_BUILD_CORE 1
#include <Python.h>
#include <marshal.h>
#include "internal/pycore_ceval.h"
#include "internal/pycore_runtime.h"
#include "internal/pycore_pylifecycle.h"
#include "internal/pycore_pystate.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "guest.h"

#define EXPORT(name) __attribute__((export_name(name)))

// CPython's own list has these as n/a: their libraries are built and linked by build.sh instead of found by configure.
PyMODINIT_FUNC PyInit_zlib(void);
PyMODINIT_FUNC PyInit__bz2(void);
PyMODINIT_FUNC PyInit__lzma(void);
PyMODINIT_FUNC PyInit__sqlite3(void);

// bzip2 built without stdio leaves the report of its own bugs to the program.
void bz_internal_error(int code) { _Py_FatalErrorFormat("bzip2", "internal error %d", code); }

static PyObject *request_function;
static PyObject *response;
static PyObject *out_of_memory; // the response to a cell that left no memory for another

static void check_status(PyStatus status) {
  if (PyStatus_Exception(status)) {
    Py_ExitStatusException(status);
  }
}

static void set_path(PyConfig *config, wchar_t **field, const wchar_t *value) {
  check_status(PyConfig_SetString(config, field, value));
}

static void start_interpreter(void) {
  PyImport_AppendInittab("_host", PyInit__host);
  PyImport_AppendInittab("zlib", PyInit_zlib);
  PyImport_AppendInittab("_bz2", PyInit__bz2);
  PyImport_AppendInittab("_lzma", PyInit__lzma);
  PyImport_AppendInittab("_sqlite3", PyInit__sqlite3);

  PyPreConfig pre;
  PyPreConfig_InitIsolatedConfig(&pre);
  pre.utf8_mode = 1;
  check_status(Py_PreInitialize(&pre));

  PyConfig config;
  PyConfig_InitIsolatedConfig(&config);
  config.isolated = 0; // only shown in sys.flags; the parts it stands for are set one by one
  config.use_environment = 0;
  config.user_site_directory = 0;
  config.safe_path = 0;
  config.site_import = 0;
  config.use_hash_seed = 1; // a hash seed cannot be changed later, so it is the same in every sandbox
  config.hash_seed = 0;
  config.write_bytecode = 0;
  config.install_signal_handlers = 1;
  config.pathconfig_warnings = 0;
  set_path(&config, &config.home, L"/usr");
  set_path(&config, &config.program_name, L"/usr/bin/python3");
  set_path(&config, &config.executable, L"/usr/bin/python3");
  set_path(&config, &config.base_executable, L"/usr/bin/python3");
  set_path(&config, &config.prefix, L"/usr");
  set_path(&config, &config.base_prefix, L"/usr");
  set_path(&config, &config.exec_prefix, L"/usr");
  set_path(&config, &config.base_exec_prefix, L"/usr");
  set_path(&config, &config.stdlib_dir, L"/usr/lib/python3.13");
  set_path(&config, &config.platlibdir, L"lib");
  set_path(&config, &config.stdio_encoding, L"utf-8");
  set_path(&config, &config.stdio_errors, L"surrogateescape");
  set_path(&config, &config.filesystem_encoding, L"utf-8");
  set_path(&config, &config.filesystem_errors, L"surrogateescape");
  config.module_search_paths_set = 1;
  check_status(PyWideStringList_Append(&config.module_search_paths, L"/usr/lib/python3.13"));
  check_status(Py_InitializeFromConfig(&config));
  PyConfig_Clear(&config);
}

// `sys.flags` of a plain `python3`: code that looks at them should not conclude that it runs under -S, -E or -B.
static void show_plain_flags(void) {
  PyObject *flags = PySys_GetObject("flags");
  static const char *const plain[] = {"no_site", "ignore_environment", "no_user_site", "dont_write_bytecode"};
  PyObject *type_fields = PyObject_GetAttrString((PyObject *)Py_TYPE(flags), "__match_args__");
  if (type_fields == NULL) {
    PyErr_Clear();
    return;
  }
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(type_fields); i++) {
    const char *name = PyUnicode_AsUTF8(PyTuple_GET_ITEM(type_fields, i));
    for (size_t k = 0; k < sizeof plain / sizeof *plain; k++) {
      if (name != NULL && strcmp(name, plain[k]) == 0) {
        PyStructSequence_SetItem(flags, i, PyLong_FromLong(0)); // small ints are immortal: nothing leaks
      }
    }
  }
  Py_DECREF(type_fields);
}

/* Runs once, at pre-initialisation, and is gone from the finished image. */
EXPORT("wizer-initialize") void initialize(void) {
  start_interpreter();
  PyObject *boot = PyImport_ImportModule("_keelback_boot");
  PyObject *done = boot ? PyObject_CallMethod(boot, "prepare", NULL) : NULL;
  request_function = done ? PyObject_GetAttrString(boot, "request") : NULL;
  if (request_function == NULL) {
    PyErr_Print();
    abort(); // wizer reports the trap
  }
  Py_DECREF(done);
  Py_DECREF(boot);
  show_plain_flags();
  // Warm the path every request takes, so that a fresh instance dirties few pages for its own first one.
  PyObject *warm = PyImport_ImportModule("_keelback_boot");
  PyObject *rounds = PyObject_GetAttrString(warm, "WARM_UP");
  for (Py_ssize_t i = 0; rounds != NULL && i < PyList_GET_SIZE(rounds); i++) {
    PyObject *bytes = PyMarshal_WriteObjectToString(PyList_GET_ITEM(rounds, i), 2);
    int length = (int)PyBytes_GET_SIZE(bytes);
    char *buffer = kb_alloc(length);
    memcpy(buffer, PyBytes_AS_STRING(bytes), length);
    Py_DECREF(bytes);
    if (kb_request(buffer, length) < 0) {
      abort();
    }
  }
  out_of_memory = PyObject_GetAttrString(warm, "OUT_OF_MEMORY");
  PyErr_Clear();
  Py_XDECREF(rounds);
  done = PyObject_CallMethod(warm, "settle", NULL);
  if (done == NULL) {
    PyErr_Print();
    abort();
  }
  Py_DECREF(done);
  Py_DECREF(warm);
  Py_CLEAR(response);
  make_objects_immortal();
  fill_pools();
  fill_holes();
}

EXPORT("kb_alloc") void *kb_alloc(int length) { return malloc(length > 0 ? length : 1); }

EXPORT("kb_request") int kb_request(char *buffer, int length) {
  Py_CLEAR(response);
  PyObject *request = PyMarshal_ReadObjectFromString(buffer, length);
  free(buffer);
  PyObject *result = request ? PyObject_CallOneArg(request_function, request) : NULL;
  Py_XDECREF(request);
  if (result != NULL) {
    response = PyMarshal_WriteObjectToString(result, 2);
    Py_DECREF(result);
  }
  if (response == NULL && PyErr_ExceptionMatches(PyExc_MemoryError) && out_of_memory != NULL) {
    PyErr_Clear();
    response = Py_NewRef(out_of_memory);
  } else if (response == NULL) {
    PyErr_Print();
  }
  host_flush_streams();
  return response ? (int)PyBytes_GET_SIZE(response) : -1;
}

EXPORT("kb_result") const char *kb_result(void) { return response ? PyBytes_AS_STRING(response) : NULL; }

EXPORT("kb_probes") const uint32_t *kb_probes(void) {
  static uint32_t probes[5];
  probes[0] = (uint32_t)(uintptr_t)&_PyRuntime.main_tstate->eval_breaker;
  probes[1] = _PY_SIGNALS_PENDING_BIT;
  probes[2] = (uint32_t)(uintptr_t)&_PyRuntime.signals.is_tripped;
  probes[3] = (uint32_t)(uintptr_t)&_PyRuntime.signals.handlers[0].tripped;
  probes[4] = (uint32_t)sizeof _PyRuntime.signals.handlers[0];
  return probes;
}
