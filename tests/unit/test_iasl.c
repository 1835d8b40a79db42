/* SPDX-License-Identifier: MIT */
/*
 * test_iasl.c - ACPICA's compiler reads every table, and makes the same bytes of what it read.
 *
 * Skipped where iasl (Debian: acpica-tools) is not installed.
 */
#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arch/arch_priv.h"
#include "arch/x86_64/layout_priv.h"
#include "arch/x86_64/tables_priv.h"

#define SKIP	77

extern char **environ;

static uint8_t area[X86_ACPI_SIZE];
static char folder[] = "/tmp/libvmm-iasl-XXXXXX";

static int run_iasl(char *const argv[])
{
	posix_spawn_file_actions_t actions;
	int status, r;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 1, "log", O_WRONLY | O_CREAT | O_APPEND, 0600);
	posix_spawn_file_actions_adddup2(&actions, 1, 2);
	r = posix_spawnp(&pid, "iasl", &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (r != 0 || waitpid(pid, &status, 0) != pid)
		return -1;

	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void setup(void)
{
	strcpy(folder + sizeof(folder) - 7, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	ck_assert_int_eq(chdir(folder), 0);
}

static void teardown(void)
{
	DIR *dir = opendir(".");
	struct dirent *entry;

	while ((entry = readdir(dir)))
		unlink(entry->d_name);
	closedir(dir);
	rmdir(folder);
}

static void show_log(void)
{
	char line[256];
	FILE *log = fopen("log", "r");

	while (log && fgets(line, sizeof(line), log))
		fputs(line, stderr);
	if (log)
		fclose(log);
}

static void file_write(const char *name, const uint8_t *bytes, size_t length)
{
	FILE *file = fopen(name, "wb");

	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(bytes, 1, length, file), length);
	ck_assert_int_eq(fclose(file), 0);
}

static size_t file_read(const char *name, uint8_t *bytes, size_t max)
{
	FILE *file = fopen(name, "rb");
	size_t length;

	ck_assert_ptr_nonnull(file);
	length = fread(bytes, 1, max, file);
	fclose(file);

	return length;
}

/* Through the disassembler and the compiler; all but the header must come back. */
static void round_trip(const uint8_t *table, size_t length)
{
	static uint8_t back[X86_ACPI_SIZE];
	char *disassemble[] = { (char[]){ "iasl" }, (char[]){ "-d" }, (char[]){ "table.dat" },
				NULL };
	char *compile[] = { (char[]){ "iasl" }, (char[]){ "-we" }, (char[]){ "-oa" },
			    (char[]){ "-p" }, (char[]){ "back" }, (char[]){ "table.dsl" }, NULL };
	bool ok;

	file_write("table.dat", table, length);
	ok = run_iasl(disassemble) == 0 && run_iasl(compile) == 0;
	if (!ok)
		show_log();
	ck_assert_msg(ok, "iasl does not like %.4s", (const char *)table);
	ck_assert_uint_eq(file_read("back.aml", back, sizeof(back)), length);
	ck_assert_mem_eq(back + 36, table + 36, length - 36);
}

static const struct machine_desc machines[] = {
	{ .nr_vcpus = 1, .name = "smallest" },
	{ .nr_vcpus = 1, .has_serial = true, .has_pci = true, .name = "usual" },
	{
		.nr_vcpus = 255, .has_serial = true, .has_pci = true, .nr_mmio = 3, .name = "large",
		.mmio = {
			{ X86_MMIO_BASE, 0x1000, 5 },
			{ X86_MMIO_BASE + 0x1000, 0x1000, 10 },
			{ X86_MMIO_BASE + 0x2000, 0x1000, 15 },
		},
	},
	{
		.nr_vcpus = 12, .threads_per_core = 2, .nr_sockets = 3, .has_pci = true,
		.name = "packages",
	},
};

START_TEST(every_table_survives_disassembly_and_compilation)
{
	int used = vmm__acpi_build(area, sizeof(area), X86_ACPI, &machines[_i]);
	unsigned tables = 0;

	ck_assert_int_gt(used, 0);
	for (size_t at = 48; at < (size_t)used; tables++) {
		uint32_t length;

		memcpy(&length, area + at + 4, sizeof(length));
		round_trip(area + at, length);
		at = (at + length + 15) & ~(size_t)15;
	}
	ck_assert_uint_eq(tables, machines[_i].has_pci ? 5 : 4);
}
END_TEST

int main(void)
{
	char *version[] = { (char[]){ "iasl" }, (char[]){ "-v" }, NULL };
	Suite *suite = suite_create("iasl");
	TCase *tcase = tcase_create("tables");
	SRunner *runner = srunner_create(suite);
	int failed, there;

	if (!mkdtemp(folder) || chdir(folder) < 0)
		return EXIT_FAILURE;
	there = run_iasl(version) == 0;
	teardown();
	if (!there) {
		fputs("skipped: no iasl (acpica-tools) to check the tables with\n", stderr);
		srunner_free(runner);
		return SKIP;
	}

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, every_table_survives_disassembly_and_compilation, 0,
			    sizeof(machines) / sizeof(machines[0]));
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
