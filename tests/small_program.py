"""A small program with what QEMU has and debuggers find hard: a coroutine that waits, a thread-local, sleeping threads.

A double: its coroutine is made and left as QEMU's util/coroutine-ucontext.c does it, and nothing else in it is QEMU's.
"""
import pathlib
import subprocess

SOURCE = r"""
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <ucontext.h>
#include <unistd.h>

#define KEPT __attribute__((noinline, noclone))

struct Coroutine { void (*entry)(void *); void *entry_arg; struct Coroutine *caller; };
typedef struct { struct Coroutine base; void *stack; unsigned long stack_size; sigjmp_buf env; } CoroutineUContext;

static CoroutineUContext waiting;
static __attribute__((used)) CoroutineUContext running = { { 0, 0, &waiting.base } };
static ucontext_t home, there;
static __thread char room[40];
static __thread long own = 7;
static long distance;
static volatile int fd;
static const char *volatile literal = "in the program's own file";
static volatile int steps;

KEPT void qemu_coroutine_switch(void) { if (!sigsetjmp(waiting.env, 0)) setcontext(&home); steps++; }
KEPT void wait_for_disk(int depth) { char pad[64]; pad[depth] = 1; qemu_coroutine_switch(); steps += pad[depth]; }
KEPT void blk_aio_write_entry(void *opaque) { wait_for_disk(*(int *)opaque); steps++; }
KEPT void coroutine_trampoline(void) { blk_aio_write_entry(waiting.base.entry_arg); steps++; }

KEPT void sleeps_for_good(void) { struct pollfd none = { -1 }; poll(&none, 1, -1); steps++; }
static inline __attribute__((always_inline)) void inlined(void) { steps += 2; __asm__ volatile("nop"); steps++; }
KEPT void caught(void) { steps++; inlined(); }
static void *thread(void *unused) { sleeps_for_good(); return unused; }

int main(int count, char **words)
{
    static int depth = 3;
    pthread_t other;
    waiting.stack_size = 1 << 16;
    waiting.stack = malloc(waiting.stack_size);
    waiting.base.entry = blk_aio_write_entry;
    waiting.base.entry_arg = &depth;
    getcontext(&there);
    there.uc_stack.ss_sp = waiting.stack;
    there.uc_stack.ss_size = waiting.stack_size;
    makecontext(&there, coroutine_trampoline, 0);
    swapcontext(&home, &there);
    room[count] = 1;
    distance = (char *)&own - (char *)__builtin_thread_pointer();
    fd = eventfd(3, 0);
    pthread_create(&other, 0, thread, 0);
    usleep(100000);
    puts("READY");
    fflush(stdout);
    caught();
    if (words[1])
        sleeps_for_good();
    return literal[0] + distance + own == 0;
}
"""


def build(folder: pathlib.Path) -> pathlib.Path:
    """Compile it, optimized and position-independent as QEMU is; returns the program."""
    (folder / "small.c").write_text(SOURCE)
    program = folder / "small"
    subprocess.run(["gcc", "-g", "-O2", "-fPIE", "-pie", "-o", str(program), str(folder / "small.c"), "-lpthread"],
                   check=True)
    return program
