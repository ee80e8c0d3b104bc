/*
 * The Python module _vqcrash: the few questions that crash_ext/loader_target.py puts to crash.
 *
 * None stands for "there is no such thing".  Nothing here writes to the target.
 */
#include "loader.h"

#define MAX_READ (16L << 20)

struct read_request {
	unsigned long long address;
	void *buffer;
	long size;
	int memory;
	int done;
};

static void do_read(void *data)
{
	struct read_request *request = data;

	request->done = readmem(request->address, request->memory, request->buffer, request->size, "vqstate",
				RETURN_ON_ERROR | QUIET);
}

/*
 * Pages that were left out of a dump are not to be read as zeros, which crash does after `--zero_excluded`, and always
 * with sadump's.  Returns whether it did; whoever asked for that gets it back.
 */
static int stop_zero_fill(void)
{
	int was = SADUMP_DUMPFILE() ? sadump_is_zero_excluded() : (*diskdump_flags & ZERO_EXCLUDED) != 0;

	if (was && SADUMP_DUMPFILE())
		sadump_unset_zero_excluded();
	*diskdump_flags &= ~(ulong)ZERO_EXCLUDED;
	return was;
}

static void resume_zero_fill(void)
{
	if (SADUMP_DUMPFILE())
		sadump_set_zero_excluded();
	else
		*diskdump_flags |= ZERO_EXCLUDED;
}

static PyObject *vq_readmem(PyObject *self, PyObject *args)
{
	struct read_request request = { .done = FALSE };
	int physical, zero_filled;
	PyObject *bytes;

	(void)self;
	if (!PyArg_ParseTuple(args, "Klp", &request.address, &request.size, &physical))
		return NULL;
	if (request.size <= 0 || request.size > MAX_READ)
		Py_RETURN_NONE;
	bytes = PyBytes_FromStringAndSize(NULL, request.size);
	if (!bytes)
		return NULL;
	request.buffer = PyBytes_AS_STRING(bytes);
	request.memory = physical ? PHYSADDR : KVADDR;
	zero_filled = stop_zero_fill();
	if (!guarded(do_read, &request))
		request.done = FALSE;
	if (zero_filled)
		resume_zero_fill();
	if (request.done)
		return bytes;
	Py_DECREF(bytes);
	Py_RETURN_NONE;
}

struct translation {
	ulong address;
	physaddr_t physical;
	int done;
};

static void do_translate(void *data)
{
	struct translation *request = data;

	request->done = kvtop(NULL, request->address, &request->physical, 0);
}

static PyObject *vq_physical(PyObject *self, PyObject *args)
{
	struct translation request = { .done = FALSE };

	(void)self;
	if (!PyArg_ParseTuple(args, "k", &request.address))
		return NULL;
	if (guarded(do_translate, &request) && request.done)
		return PyLong_FromUnsignedLongLong(request.physical);
	Py_RETURN_NONE;
}

struct symbol_request {
	char *name;
	ulong address;
	ulong offset;
	struct syment *found;
};

static void do_symbol(void *data)
{
	struct symbol_request *request = data;

	request->found = symbol_search(request->name);
}

static PyObject *vq_symbol(PyObject *self, PyObject *args)
{
	struct symbol_request request = { .found = NULL };
	const char *name;

	(void)self;
	if (!PyArg_ParseTuple(args, "s", &name))
		return NULL;
	request.name = (char *)name;
	if (guarded(do_symbol, &request) && request.found)
		return PyLong_FromUnsignedLong(request.found->value);
	Py_RETURN_NONE;
}

static void do_symbol_name(void *data)
{
	struct symbol_request *request = data;

	request->found = value_search(request->address, &request->offset);
}

static PyObject *vq_symbol_name(PyObject *self, PyObject *args)
{
	struct symbol_request request = { .found = NULL };

	(void)self;
	if (!PyArg_ParseTuple(args, "k", &request.address))
		return NULL;
	if (guarded(do_symbol_name, &request) && request.found && !request.offset)
		return PyUnicode_DecodeLatin1(request.found->name, strlen(request.found->name), NULL);
	Py_RETURN_NONE;
}

static void do_datatype(void *data)
{
	gdb_interface(data);
}

/*
 * Size of a struct or union, and where a member lies in it: looking only at the type, which is far quicker than having
 * gdb evaluate an expression.  The member's own type comes with it so that a path can be followed.
 */
static PyObject *vq_datatype(PyObject *self, PyObject *args)
{
	struct gnu_request request = { .command = GNU_GET_DATATYPE, .flags = GNU_RETURN_ON_ERROR, .fp = pc->nullfp };
	const char *name, *member;

	(void)self;
	if (!PyArg_ParseTuple(args, "sz", &name, &member))
		return NULL;
	request.name = (char *)name;
	request.member = (char *)member;
	request.member_offset = -1;
	if (!guarded(do_datatype, &request) || (request.flags & GNU_COMMAND_FAILED) ||
	    (request.typecode != TYPE_CODE_STRUCT && request.typecode != TYPE_CODE_UNION))
		Py_RETURN_NONE;
	return Py_BuildValue("kllsi", request.length, request.member_offset, request.member_length,
			     request.member_main_type_tag_name, request.member_typecode);
}

struct gdb_request {
	char *command;
	FILE *output;
	int done;
};

static void do_gdb(void *data)
{
	struct gdb_request *request = data;

	request->done = gdb_pass_through(request->command, request->output, GNU_RETURN_ON_ERROR);
}

/* What a gdb command prints; None if gdb refuses it. */
static PyObject *vq_gdb(PyObject *self, PyObject *args)
{
	struct gdb_request request = { .done = FALSE };
	const char *command;
	char *text = NULL, *copy;
	size_t length = 0;
	PyObject *result = NULL;

	(void)self;
	if (!PyArg_ParseTuple(args, "s", &command))
		return NULL;
	copy = strdup(command);  /* gdb writes into its command line */
	request.output = open_memstream(&text, &length);
	if (copy && request.output) {
		request.command = copy;
		if (!guarded(do_gdb, &request))
			request.done = FALSE;
		fclose(request.output);
		if (request.done) {
			result = PyUnicode_DecodeLatin1(text, length, NULL);
		} else {
			Py_INCREF(Py_None);
			result = Py_None;
		}
	} else {
		PyErr_NoMemory();
	}
	free(text);
	free(copy);
	return result;
}

struct module_request {
	char *name;
	char *path;
	int done;
};

static void do_load_module(void *data)
{
	struct module_request *request = data;
	ulong address = 0;

	if (is_module_name(request->name, &address, NULL))
		request->done = load_module_symbols(request->name, request->path, address);
}

/* As `mod -s NAME PATH` does. */
static PyObject *vq_load_module(PyObject *self, PyObject *args)
{
	struct module_request request = { .done = FALSE };
	const char *name, *path;

	(void)self;
	if (!PyArg_ParseTuple(args, "ss", &name, &path))
		return NULL;
	request.name = (char *)name;
	request.path = (char *)path;
	return PyBool_FromLong(guarded(do_load_module, &request) && request.done);
}

/* The kernel's modules, each with whether its symbols are loaded. */
static PyObject *vq_modules(PyObject *self, PyObject *unused)
{
	PyObject *modules = PyDict_New(), *loaded;
	int at, failed = !modules;

	(void)self, (void)unused;
	for (at = 0; !failed && at < st->mods_installed; at++) {
		struct load_module *module = &st->load_modules[at];

		loaded = PyBool_FromLong((module->mod_flags & MOD_LOAD_SYMS) || module->mod_namelist[0]);
		failed = PyDict_SetItemString(modules, module->mod_name, loaded);
		Py_DECREF(loaded);
	}
	if (failed)
		Py_CLEAR(modules);
	return modules;
}

static PyObject *vq_facts(PyObject *self, PyObject *unused)
{
	(void)self, (void)unused;
	return Py_BuildValue("{s:s, s:s, s:s, s:s, s:s, s:N}",
			     "crash", pc->program_version,
			     "release", kt->utsname.release,
			     "machine", kt->utsname.machine,
			     "kernel", pc->namelist,
			     "dump", pc->dumpfile,
			     "live", PyBool_FromLong(ACTIVE()));
}

/* Writes where crash does, so that pipes, redirection and the pager work. */
static PyObject *vq_write(PyObject *self, PyObject *args)
{
	const char *text;
	Py_ssize_t length;

	(void)self;
	if (!PyArg_ParseTuple(args, "s#", &text, &length))
		return NULL;
	clearerr(fp);
	if (fwrite(text, 1, length, fp) == (size_t)length && !fflush(fp))
		Py_RETURN_NONE;
	return PyErr_CheckSignals() ? NULL : PyErr_SetFromErrno(PyExc_OSError);
}

static PyMethodDef methods[] = {
	{ "readmem", vq_readmem, METH_VARARGS, "readmem(address, size, physical) -> bytes or None" },
	{ "physical", vq_physical, METH_VARARGS, "physical(kernel address) -> address or None" },
	{ "symbol", vq_symbol, METH_VARARGS, "symbol(name) -> address or None" },
	{ "symbol_name", vq_symbol_name, METH_VARARGS, "symbol_name(address) -> name or None" },
	{ "datatype", vq_datatype, METH_VARARGS, "datatype(name, member) -> (bytes, bit offset, bytes, name, code) or None" },
	{ "gdb", vq_gdb, METH_VARARGS, "gdb(command) -> what it prints, or None" },
	{ "load_module", vq_load_module, METH_VARARGS, "load_module(name, path) -> bool" },
	{ "modules", vq_modules, METH_NOARGS, "modules() -> {name: symbols loaded?}" },
	{ "facts", vq_facts, METH_NOARGS, "facts() -> {name: value}" },
	{ "write", vq_write, METH_VARARGS, "write(text)" },
	{ NULL, NULL, 0, NULL },
};

static struct PyModuleDef module = { PyModuleDef_HEAD_INIT, "_vqcrash", "What crash answers.", -1, methods,
				     NULL, NULL, NULL, NULL };

PyObject *PyInit__vqcrash(void)
{
	return PyModule_Create(&module);
}
