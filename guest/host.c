// The builtin module `_host`: host calls, output, and the text streams behind sys.stdout and sys.stderr.
//
// print() calls write twice per line, so `write` is a plain C function found on the stream's class: it appends to a
// buffer here and crosses to the host once per line. The class itself is Python (guest/lib/_keelback_boot.py).

#include <Python.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "guest.h"

#define IMPORT(name) __attribute__((import_module("keelback"), import_name(name)))

IMPORT("emit") int32_t keelback_emit(int32_t kind, const void *data, int32_t length);
IMPORT("call") int32_t keelback_call(const void *data, int32_t length);
IMPORT("take") void keelback_take(void *data);

enum { STDOUT = 1, STDERR = 2 };

// Large enough that a program printing without newlines crosses rarely, small enough not to dirty many pages.
#define HELD_MAX 8192

static struct {
  int length;
  char bytes[HELD_MAX];
} held[3];

static PyObject *limit_error;   // exception type raised when the host refuses more output
static PyObject *limit_message;
static PyObject *encode_function; // encode_function(stream number, str) -> bytes, for what is not plain UTF-8

static int send(int kind, const void *data, Py_ssize_t length) {
  if (keelback_emit(kind, data, (int32_t)length) == 0) {
    return 0;
  }
  if (limit_error != NULL) {
    PyErr_SetObject(limit_error, limit_message);
  } else {
    PyErr_SetString(PyExc_RuntimeError, "output limit reached");
  }
  return -1;
}

static int flush(int stream) {
  int length = held[stream].length;
  if (length == 0) {
    return 0;
  }
  held[stream].length = 0; // first, so that a refused buffer is not sent again
  return send(stream, held[stream].bytes, length);
}

void host_flush_streams(void) {
  if (flush(STDOUT) < 0 || flush(STDERR) < 0) {
    PyErr_Clear();
  }
}

// A newline sends what is held.
static int put(int stream, const char *data, Py_ssize_t length) {
  int other = stream == STDOUT ? STDERR : STDOUT;
  if (held[other].length != 0 && flush(other) < 0) {
    return -1;
  }
  if (length > HELD_MAX - held[stream].length) {
    if (flush(stream) < 0) {
      return -1;
    }
    if (length > HELD_MAX) {
      return send(stream, data, length);
    }
  }
  memcpy(held[stream].bytes + held[stream].length, data, length);
  held[stream].length += (int)length;
  // print() sends the newline on its own: look at it without calling memchr.
  int newline = length == 1 ? *data == '\n' : memchr(data, '\n', length) != NULL;
  return newline ? flush(stream) : 0;
}

static int stream_of(PyObject *self) { return (int)PyLong_AsLong(self); }

static PyObject *stream_write(PyObject *self, PyObject *text) {
  if (!PyUnicode_Check(text)) {
    return PyErr_Format(PyExc_TypeError, "write() argument must be str, not %s", Py_TYPE(text)->tp_name);
  }
  int status;
  if (PyUnicode_IS_COMPACT_ASCII(text)) {
    status = put(stream_of(self), (const char *)PyUnicode_1BYTE_DATA(text), PyUnicode_GET_LENGTH(text));
  } else {
    // Not PyUnicode_AsUTF8AndSize: it would keep a copy of every text printed.
    PyObject *bytes = PyUnicode_AsUTF8String(text);
    if (bytes == NULL && encode_function != NULL && PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
      PyErr_Clear();
      bytes = PyObject_CallFunctionObjArgs(encode_function, self, text, NULL);
    }
    if (bytes == NULL) {
      return NULL;
    }
    status = put(stream_of(self), PyBytes_AS_STRING(bytes), PyBytes_GET_SIZE(bytes));
    Py_DECREF(bytes);
  }
  return status < 0 ? NULL : PyLong_FromSsize_t(PyUnicode_GET_LENGTH(text));
}

static PyObject *stream_write_bytes(PyObject *self, PyObject *data) {
  Py_buffer view;
  if (PyUnicode_Check(data)) {
    return PyErr_Format(PyExc_TypeError, "a bytes-like object is required, not 'str'");
  }
  if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0) {
    return NULL;
  }
  int status = put(stream_of(self), view.buf, view.len);
  Py_ssize_t length = view.len;
  PyBuffer_Release(&view);
  return status < 0 ? NULL : PyLong_FromSsize_t(length);
}

static PyObject *stream_flush(PyObject *self, PyObject *Py_UNUSED(none)) {
  if (flush(stream_of(self)) < 0) {
    return NULL;
  }
  Py_RETURN_NONE;
}

static PyMethodDef stream_methods[] = {
    {"write", stream_write, METH_O, "write(text)\nWrite text to the stream and return its length."},
    {"write_bytes", stream_write_bytes, METH_O, "write(data)\nWrite bytes to the stream and return their number."},
    {"flush", stream_flush, METH_NOARGS, "flush()\nSend what is held."},
};

/* functions(stream) -> (write, write_bytes, flush) of stream 1 or 2 */
static PyObject *host_functions(PyObject *self, PyObject *stream) {
  long number = PyLong_AsLong(stream);
  if (number != STDOUT && number != STDERR) {
    return PyErr_Format(PyExc_ValueError, "stream must be 1 or 2");
  }
  PyObject *functions = PyTuple_New(3);
  for (int i = 0; functions != NULL && i < 3; i++) {
    PyObject *function = PyCFunction_New(&stream_methods[i], stream);
    if (function == NULL) {
      Py_CLEAR(functions);
    } else {
      PyTuple_SET_ITEM(functions, i, function);
    }
  }
  return functions;
}

static PyObject *host_call(PyObject *self, PyObject *request) {
  if (!PyBytes_Check(request)) {
    return PyErr_Format(PyExc_TypeError, "call() argument must be bytes, not %s", Py_TYPE(request)->tp_name);
  }
  // A call may wait for long: what was printed before it must be seen before it.
  if (flush(STDOUT) < 0 || flush(STDERR) < 0) {
    return NULL;
  }
  for (;;) {
    int32_t length = keelback_call(PyBytes_AS_STRING(request), (int32_t)PyBytes_GET_SIZE(request));
    if (length >= 0) {
      PyObject *response = PyBytes_FromStringAndSize(NULL, length);
      if (response != NULL) {
        keelback_take(PyBytes_AS_STRING(response));
      }
      return response;
    }
    if (PyErr_CheckSignals() < 0) {
      return NULL;
    }
  }
}

static PyObject *host_emit(PyObject *self, PyObject *args) {
  int kind;
  Py_buffer view;
  if (!PyArg_ParseTuple(args, "is*:emit", &kind, &view)) {
    return NULL;
  }
  int status = flush(STDOUT) < 0 || flush(STDERR) < 0 ? -1 : send(kind, view.buf, view.len);
  PyBuffer_Release(&view);
  if (status < 0) {
    return NULL;
  }
  Py_RETURN_NONE;
}

static PyObject *host_set_output_limit_error(PyObject *self, PyObject *args) {
  PyObject *type, *message;
  if (!PyArg_ParseTuple(args, "OO:set_output_limit_error", &type, &message)) {
    return NULL;
  }
  Py_XSETREF(limit_error, Py_NewRef(type));
  Py_XSETREF(limit_message, Py_NewRef(message));
  Py_RETURN_NONE;
}

static PyObject *host_set_encode(PyObject *self, PyObject *function) {
  Py_XSETREF(encode_function, Py_NewRef(function));
  Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"call", host_call, METH_O, "call(request: bytes) -> bytes\nOne host call; runs signal handlers while it waits."},
    {"emit", host_emit, METH_VARARGS, "emit(kind, data)\nOutput of a kind: 1 stdout, 2 stderr, 3 display."},
    {"functions", host_functions, METH_O, "functions(stream)\n(write, write_bytes, flush) of stream 1 or 2."},
    {"set_output_limit_error", host_set_output_limit_error, METH_VARARGS,
     "set_output_limit_error(type, message)\nWhat output raises once the host refuses more."},
    {"set_encode", host_set_encode, METH_O, "set_encode(function)\nEncodes what is not plain UTF-8."},
    {0},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_host", "What the sandbox's host offers.", -1, methods};

PyMODINIT_FUNC PyInit__host(void) { return PyModule_Create(&module); }
