/*
 * What the parts of vqstate.so share.
 *
 * command.c   the crash command, and the Python that runs it
 * module.c    the Python module _vqcrash: what crash answers
 * guard.c     calls into crash that always come back
 */
#ifndef VQSTATE_LOADER_H
#define VQSTATE_LOADER_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <defs.h>

/*
 * Calls into crash.  FALSE if crash did not return from the call but jumped away, as it does after an error or when
 * nobody reads its output any more.
 */
int guarded(void (*call)(void *), void *data);

/* Whether crash, when it jumped, also closed the command's files: then the session must go on at its main loop. */
int guard_was_torn_down(void);

PyObject *PyInit__vqcrash(void);

#endif
