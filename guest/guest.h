// What main.c and host.c share.
#pragma once
#include <Python.h>

PyMODINIT_FUNC PyInit__host(void);

/* Sends what the text streams still hold; errors (output limit) are dropped, for no Python code is left to see them. */
void host_flush_streams(void);

void *kb_alloc(int length);
int kb_request(char *buffer, int length);

/* Ends reference counting for every object there is: the last step of pre-initialisation. */
void make_objects_immortal(void);
void fill_pools(void);

/* The same for malloc. */
void fill_holes(void);
