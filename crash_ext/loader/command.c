/*
 * The command `vqstate` for a crash that has no PyKdump, and the system's Python that runs it.
 *
 *     crash> extend /path/to/vqstate.so
 *     crash> vqstate -h
 *
 * The Makefile defines VQCHECK_ROOT (the folder that holds the packages vqcheck and crash_ext), VQCHECK_PYTHON (the
 * interpreter) and VQCHECK_CRASH (the version of crash whose defs.h was compiled against).
 */
#include "loader.h"
#include <dlfcn.h>

#define NAME "vqstate"
#define MAIN "crash_ext.loader_main"

static PyObject *program;

static void cmd_vqstate(void);

static char *bare_help[] = { NAME, "state of virtio queues", "[options] [NAME]", "  See `vqstate -h`.", NULL };

static struct command_table_entry commands[] = {
	{ NAME, cmd_vqstate, bare_help, 0 },
	{ NULL, NULL, NULL, 0 },
};

#if PY_VERSION_HEX >= 0x03080000
static int initialize(void)
{
	PyConfig config;
	PyStatus status;

	PyConfig_InitIsolatedConfig(&config);  /* PYTHONPATH and PYTHONHOME are for other programs */
	status = PyConfig_SetBytesString(&config, &config.program_name, VQCHECK_PYTHON);
	if (!PyStatus_Exception(status))
		status = Py_InitializeFromConfig(&config);
	PyConfig_Clear(&config);
	if (PyStatus_Exception(status))
		error(INFO, "Python does not start: %s\n", status.err_msg ? status.err_msg : "");
	return !PyStatus_Exception(status);
}
#else
static int initialize(void)
{
	Py_IgnoreEnvironmentFlag = 1;
	Py_SetProgramName(L"" VQCHECK_PYTHON);
	Py_InitializeEx(0);
	return TRUE;
}
#endif

/* The text of the exception that is set, which is cleared. */
static void report(const char *what)
{
	PyObject *type, *value, *trace, *text;

	PyErr_Fetch(&type, &value, &trace);
	text = value ? PyObject_Str(value) : NULL;
	error(INFO, "%s: %s\n", what, text ? PyUnicode_AsUTF8(text) : "unknown error");
	Py_XDECREF(text);
	Py_XDECREF(type);
	Py_XDECREF(value);
	Py_XDECREF(trace);
	PyErr_Clear();
}

/* Python's extension modules take its symbols for granted; they are this file's alone while it is being loaded. */
static void publish_symbols(void)
{
	Dl_info library;

	if (dladdr((void *)Py_IsInitialized, &library))
		dlopen(library.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_GLOBAL);
}

static int start_python(void)
{
	const char *root = getenv("VQCHECK_PATH");
	PyObject *path, *folder;

	publish_symbols();
	if (PyImport_AppendInittab("_vqcrash", PyInit__vqcrash) || !initialize())
		return FALSE;
	folder = PyUnicode_DecodeFSDefault(root && *root ? root : VQCHECK_ROOT);
	path = PySys_GetObject("path");
	if (folder && path && !PyList_Append(path, folder))  /* last: it must not hide anything */
		program = PyImport_ImportModule(MAIN);
	Py_XDECREF(folder);
	if (!program)
		report("cannot import " MAIN " (VQCHECK_PATH names the folder that holds it)");
	return program != NULL;
}

/* `help vqstate`: its text is kept in one place, which is Python's. */
static char **help_text(void)
{
	PyObject *lines = PyObject_CallMethod(program, "help_data", NULL);
	Py_ssize_t at, count = lines ? PyList_Size(lines) : -1;
	char **help = count < 0 ? NULL : calloc(count + 1, sizeof(*help));
	const char *line;

	for (at = 0; help && at < count; at++) {
		line = PyUnicode_AsUTF8(PyList_GET_ITEM(lines, at));
		help[at] = strdup(line ? line : "");
	}
	Py_XDECREF(lines);
	if (!help)
		report("no help");
	return help;
}

static void run_python(void)
{
	PyObject *words = PyList_New(0), *word, *done = NULL;
	int at;

	for (at = 1; words && at < argcnt; at++) {
		word = PyUnicode_DecodeFSDefault(args[at]);
		if (!word || PyList_Append(words, word))
			Py_CLEAR(words);
		Py_XDECREF(word);
	}
	if (words)
		done = PyObject_CallMethod(program, "main", "O", words);
	if (!done)
		report("failed");
	Py_XDECREF(done);
	Py_XDECREF(words);
}

static void cmd_vqstate(void)
{
	struct sigaction interrupt, broken_pipe, ignore = { .sa_handler = SIG_IGN };
	int redirected = fp != stdout;

	/* Python installs a handler for SIGINT of its own; a write to a closed pipe is to fail, not to jump. */
	sigaction(SIGINT, NULL, &interrupt);
	sigaction(SIGPIPE, &ignore, &broken_pipe);
	run_python();
	sigaction(SIGPIPE, &broken_pipe, NULL);
	sigaction(SIGINT, &interrupt, NULL);
	if (guard_was_torn_down()) {
		if (!redirected) {  /* else nobody may be there to read it, which is a way to get here */
			fp = stdout;
			error(INFO, "crash gave up in the middle: the debug information may be of a kind that it "
			      "does not understand\n");
		}
		RESTART();
	}
}

static void __attribute__((constructor)) load(void)
{
	char **help;

	if (atoi(pc->program_version) != atoi(VQCHECK_CRASH)) {
		error(INFO, "built for crash " VQCHECK_CRASH ", and this is crash %s: build it again\n",
		      pc->program_version);
		return;
	}
	if (Py_IsInitialized()) {
		error(INFO, "this session has a Python already, which is PyKdump's: use `epython vqstate.py`\n");
		return;
	}
	if (!start_python())
		return;
	help = help_text();
	if (help)
		commands[0].help_data = help;
	register_extension(commands);
}

static void __attribute__((destructor)) unload(void)
{
	if (program)
		Py_FinalizeEx();
	program = NULL;
}
