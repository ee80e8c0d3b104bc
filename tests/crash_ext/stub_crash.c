/*
 * A double of crash for the loader: as much of it as vqstate.so calls, with the ways in which crash leaves a call.
 *
 *     stub_crash VERSION SO COMMAND...
 *
 * A COMMAND is a line at the prompt: `vqstate WORDS`, perhaps with `> FILE` or `| true`; `help`; `handler`, which
 * tells whether crash's own handlers are in place; `zero_excluded`, which tells whether that is set, and sets it.
 */
#include <defs.h>
#include <dlfcn.h>
#include <unwind.h>

static struct program_context context;
static struct kernel_table kernel;
static struct symbol_table_data symbols;
static struct load_module modules[2];
static struct command_table_entry *commands;

FILE *fp;
struct program_context *pc = &context;
struct kernel_table *kt = &kernel;
struct symbol_table_data *st = &symbols;
char *args[MAXARGS];
int argcnt;
static ulong dump_flags;
ulong *diskdump_flags = &dump_flags;

/* As error(FATAL) does. */
static void jump(void)
{
	longjmp(pc->main_loop_env, 1);
}

/* As restart() does when the reader of a pipe has gone. */
static void tear_down(void)
{
	if (pc->ofile)
		fclose(pc->ofile);
	pc->ofile = NULL;
	if (pc->cmd_cleanup)
		pc->cmd_cleanup(pc->cmd_cleanup_arg);
	jump();
}

static _Unwind_Reason_Code go_on(int version, _Unwind_Action actions, _Unwind_Exception_Class class,
				 struct _Unwind_Exception *exception, struct _Unwind_Context *where, void *unused)
{
	(void)version, (void)actions, (void)class, (void)exception, (void)where, (void)unused;
	return _URC_NO_REASON;
}

/* As a C++ exception passes frames that do not catch it. */
static void throw(void)
{
	static struct _Unwind_Exception exception;

	_Unwind_ForcedUnwind(&exception, go_on, NULL);
}

static void leave(const char *how)
{
	if (STREQ(how, "jump"))
		jump();
	if (STREQ(how, "throw"))
		throw();
	if (STREQ(how, "tear down"))
		tear_down();
}

static void crash_handler(int number)
{
	(void)number;
	jump();
}

int __error(int type, char *format, ...)
{
	va_list words;

	(void)type;
	va_start(words, format);
	vprintf(format, words);
	va_end(words);
	return FALSE;
}

/* 256 bytes at 0x1000, and the same backwards at the physical address 0. */
int readmem(ulonglong address, int memory, void *buffer, long size, char *type, ulong flags)
{
	long at;

	(void)type;
	if (flags != (RETURN_ON_ERROR | QUIET) || address == 0xdead)
		jump();
	if (memory == KVADDR)
		address -= 0x1000;
	if (address > 256 && (dump_flags & ZERO_EXCLUDED)) {
		memset(buffer, 0, size);
		return TRUE;
	}
	if (address > 256 || address + size > 256)
		return FALSE;
	for (at = 0; at < size; at++)
		((unsigned char *)buffer)[at] = memory == KVADDR ? address + at : 255 - address - at;
	return TRUE;
}

int sadump_is_zero_excluded(void)
{
	return FALSE;
}

void sadump_set_zero_excluded(void)
{
}

void sadump_unset_zero_excluded(void)
{
}

int kvtop(struct task_context *context, ulong address, physaddr_t *physical, int verbose)
{
	(void)context, (void)verbose;
	if (address == 0xdead)
		jump();
	*physical = address - 0x1000;
	return address >= 0x1000;
}

static struct syment here = { .value = 0x1000, .name = "here" };

struct syment *symbol_search(char *name)
{
	leave(name);
	return STREQ(name, here.name) ? &here : NULL;
}

struct syment *value_search(ulong value, ulong *offset)
{
	*offset = value - here.value;
	return value >= here.value && value < 0x2000 ? &here : NULL;
}

void gdb_interface(struct gnu_request *request)
{
	struct sigaction gdb = { .sa_handler = crash_handler };

	sigaction(SIGINT, &gdb, NULL);  /* it leaves its own behind */
	leave(request->name);
	if (request->command != GNU_GET_DATATYPE || !STREQ(request->name, "thing"))
		return;
	request->typecode = TYPE_CODE_STRUCT;
	request->length = 24;
	request->member_offset = -1;
	if (request->member && STREQ(request->member, "part")) {
		request->member_offset = 64;
		request->member_length = 16;
		request->member_typecode = TYPE_CODE_STRUCT;
		request->member_main_type_tag_name = "part_type";
	}
}

int gdb_pass_through(char *command, FILE *output, ulong flags)
{
	leave(command);
	if (flags != GNU_RETURN_ON_ERROR || STREQ(command, "bad"))
		return FALSE;
	fprintf(output, "<%s>", command);
	command[0] = '!';
	return TRUE;
}

int is_module_name(char *name, ulong *address, struct load_module **module)
{
	(void)module;
	*address = 0x5000;
	return STREQ(name, modules[0].mod_name) || STREQ(name, modules[1].mod_name);
}

int load_module_symbols(char *name, char *path, ulong address)
{
	leave(path);
	if (address != 0x5000 || !STREQ(name, modules[0].mod_name))
		return FALSE;
	strcpy(modules[0].mod_namelist, path);
	return TRUE;
}

void register_extension(struct command_table_entry *table)
{
	commands = table;
}

static void run(char *line)
{
	struct sigaction interrupt;
	char *file = strstr(line, "> "), **text;

	fp = stdout;
	if (STREQ(line, "zero_excluded")) {
		printf("%s\n", dump_flags & ZERO_EXCLUDED ? "on" : "off");
		dump_flags |= ZERO_EXCLUDED;
		return;
	}
	if (STREQ(line, "handler")) {
		sigaction(SIGINT, NULL, &interrupt);
		printf("%s\n", interrupt.sa_handler == crash_handler ? "crash's" : "another");
		return;
	}
	if (!commands) {
		printf("command not found: %s\n", line);
		return;
	}
	if (STREQ(line, "help")) {
		for (text = commands[0].help_data; *text; text++)
			printf("%s\n", *text);
		return;
	}
	if (file) {
		*file = '\0';
		fp = pc->ofile = fopen(file + 2, "w");
		setbuf(fp, NULL);
	}
	for (argcnt = 0, line = strtok(line, " "); line; line = strtok(NULL, " "))
		args[argcnt++] = line;
	commands[0].func();
	if (pc->ofile)
		fclose(pc->ofile);
	pc->ofile = NULL;
}

int main(int count, char **words)
{
	struct sigaction handler = { .sa_handler = crash_handler };
	volatile int at = 3;

	sigaction(SIGINT, &handler, NULL);
	setbuf(stdout, NULL);
	fp = stdout;
	pc->nullfp = fopen("/dev/null", "w");
	pc->program_version = words[1];
	pc->namelist = "/boot/vmlinux";
	pc->dumpfile = "/dumps/made-up.core";
	strcpy(kt->utsname.release, "6.1.0-made-up");
	strcpy(kt->utsname.machine, "x86_64");
	strcpy(modules[0].mod_name, "virtio_blk");
	strcpy(modules[1].mod_name, "virtio_ring");
	st->load_modules = modules;
	st->mods_installed = 2;
	if (!dlopen(words[2], RTLD_NOW | RTLD_GLOBAL)) {
		printf("%s\n", dlerror());
		return 1;
	}
	if (setjmp(pc->main_loop_env))
		printf("back at the main loop\n");
	while (at < count)
		run(words[at++]);
	return 0;
}
