/*
 * Calls into crash that always come back.
 *
 * crash ends a command by longjmp() to its main loop: after error(FATAL), after a signal, when the reader of a pipe is
 * gone.  A jump over Python's frames would leave the interpreter broken for the rest of the session, so it is caught
 * here.  An error that gdb throws as a C++ exception is caught as well: it runs the cleanup of every frame it passes.
 */
#include "loader.h"

static volatile int torn_down;

static void note_teardown(void *unused)
{
	(void)unused;
	torn_down = TRUE;
	fp = pc->nullfp;  /* what it was has been closed */
}

static void catch_exception(int *pending)
{
	if (*pending)
		longjmp(pc->main_loop_env, 1);
}

static void call_through(void (*call)(void *), void *data)
{
	int pending __attribute__((cleanup(catch_exception))) = TRUE;

	call(data);
	pending = FALSE;
}

int guarded(void (*call)(void *), void *data)
{
	volatile int returned = FALSE;
	jmp_buf main_loop;
	struct sigaction interrupt;
	sigset_t signals, blocked;

	/* crash's own handler, which gdb_interface() installs, would jump: an interrupt waits until Python's is back. */
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGINT);
	sigprocmask(SIG_BLOCK, &blocked, &signals);
	sigaction(SIGINT, NULL, &interrupt);

	memcpy(&main_loop, &pc->main_loop_env, sizeof(main_loop));
	pc->cmd_cleanup = note_teardown;
	if (!setjmp(pc->main_loop_env)) {
		call_through(call, data);
		returned = TRUE;
	}
	pc->cmd_cleanup = NULL;
	memcpy(&pc->main_loop_env, &main_loop, sizeof(main_loop));

	sigaction(SIGINT, &interrupt, NULL);
	sigprocmask(SIG_SETMASK, &signals, NULL);
	return returned;
}

int guard_was_torn_down(void)
{
	int was = torn_down;

	torn_down = FALSE;
	return was;
}
