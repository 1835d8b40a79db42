/* SPDX-License-Identifier: MIT */
/*
 * refuse.c - kernels, initrds and command lines that cannot be booted.
 *
 * Each is refused with the errno of <libvmm/boot.h> and with words, leaves nothing
 * behind, and does not keep the guest from booting what is right afterwards.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <libvmm/boot.h>

#include "arch.h"
#include "files.h"
#include "guest.h"
#include "harness.h"

#define TOO_LARGE	(1ull << 30)	/* for 256 MiB of RAM */

/* What to spoil of a boot that would work. */
enum spoil {
	CMDLINE_LONG,
	INITRD_LARGE,
	INITRD_MISSING,
	RAM_SMALL,
	KERNEL_MISSING,
	KERNEL_FOLDER,
	KERNEL_EMPTY,
	KERNEL_TEXT,
	KERNEL_CUT,
	KERNEL_FOREIGN,
	WRONG_PROTOCOL,
};

static const struct {
	const char *name;
	enum spoil spoil;
	int error;
	const char *word;	/* has to be in the words; NULL: the path */
} spoils[] = {
	{ "a command line that is too long", CMDLINE_LONG, -ENOSPC, "command line" },
	{ "an initrd that does not fit", INITRD_LARGE, -ENOSPC, "initrd" },
	{ "an initrd that is not there", INITRD_MISSING, -ENOENT, NULL },
	{ "too little memory", RAM_SMALL, -ENOSPC, "" },
	{ "no such kernel", KERNEL_MISSING, -ENOENT, NULL },
	{ "a folder", KERNEL_FOLDER, -EINVAL, "" },
	{ "an empty file", KERNEL_EMPTY, -ENOEXEC, "" },
	{ "a text", KERNEL_TEXT, -ENOEXEC, "" },
	{ "a kernel that was cut off", KERNEL_CUT, -ENOEXEC, "" },
	{ "a kernel of another architecture", KERNEL_FOREIGN, -ENOEXEC, "" },
	{ "a protocol that this image does not have", WRONG_PROTOCOL, -ENOEXEC, "" },
};

static struct vmm *create(uint64_t bytes)
{
	struct vmm_config config = VMM_CONFIG_INIT;
	struct vmm *vm;

	config.ram_bytes = bytes;
	must(vmm_create(&config, &vm), "create a guest");
	return vm;
}

/* The size of a file. */
static uint64_t size_of(const char *path)
{
	struct stat st;

	CHECK(stat(path, &st) == 0);
	return (uint64_t)st.st_size;
}

/* An Image's header and nothing more: RISC-V's, or Arm's where that would be right. */
static const char *foreign_kernel(void)
{
#ifdef __riscv
	static const char magic[4] = { 'A', 'R', 'M', 0x64 };
#else
	static const char magic[4] = { 'R', 'S', 'C', 5 };
#endif
	char *path = files_make("foreign", NULL, 65536);
	FILE *file = fopen(path, "r+e");

	CHECK(file && fseek(file, 56, SEEK_SET) == 0 && fwrite(magic, 4, 1, file) == 1);
	fclose(file);
	return path;
}

/* Spoil @config. The strings live until the scenario ends. */
static void spoil_config(enum spoil spoil, struct vmm_boot_config *config)
{
	static char cmdline[256 << 10];

	switch (spoil) {
	case CMDLINE_LONG:
		memset(cmdline, 'x', sizeof(cmdline) - 1);
		config->cmdline = cmdline;
		break;
	case INITRD_LARGE:
		config->initrd_path = files_make("large", NULL, TOO_LARGE);
		break;
	case INITRD_MISSING:
		config->initrd_path = "/nonexistent/initrd";
		break;
	case RAM_SMALL:
		break;
	case KERNEL_MISSING:
		config->kernel_path = "/nonexistent/kernel";
		break;
	case KERNEL_FOLDER:
		config->kernel_path = "/";
		break;
	case KERNEL_EMPTY:
		config->kernel_path = files_make("empty", NULL, 0);
		break;
	case KERNEL_TEXT:
		config->kernel_path = "/etc/passwd";
		break;
	case KERNEL_CUT:
		config->kernel_path =
			files_make("cut", config->kernel_path, size_of(config->kernel_path) / 2);
		break;
	case KERNEL_FOREIGN:
		config->kernel_path = foreign_kernel();
		config->protocol = VMM_BOOT_AUTO;
		break;
	case WRONG_PROTOCOL:
		config->protocol = config->protocol == VMM_BOOT_BZIMAGE ? VMM_BOOT_PVH :
									  VMM_BOOT_BZIMAGE;
		break;
	}
}

static void refuse_one(size_t i, const struct vmm_boot_config *good)
{
	uint32_t fds = files_count_fds();
	struct vmm_boot_config config = *good;
	struct vmm *vm = create(spoils[i].spoil == RAM_SMALL ? 8 << 20 : 256 << 20);
	uint32_t held = files_count_fds();
	const char *word = spoils[i].word;
	int r;

	spoil_config(spoils[i].spoil, &config);
	r = vmm_boot_linux(vm, &config);
	if (r != spoils[i].error)
		fail("%s: %d (%s), not %d", spoils[i].name, r, vmm_last_error(), spoils[i].error);
	note("%s: %s", spoils[i].name, vmm_last_error());
	if (!word)
		word = spoils[i].spoil == INITRD_MISSING ? config.initrd_path : config.kernel_path;
	if (!strstr(vmm_last_error(), word) || strlen(vmm_last_error()) < 10)
		fail("%s: the words \"%s\" do not say \"%s\"", spoils[i].name, vmm_last_error(),
		     word);
	CHECK(files_count_fds() == held);
	CHECK(vmm_start(vm) == -EINVAL);
	if (spoils[i].spoil != RAM_SMALL)
		must(vmm_boot_linux(vm, good), "boot what is right");
	vmm_destroy(vm);
	CHECK(files_count_fds() == fds);
}

static void refuse(const void *arg)
{
	const uint32_t *protocol = arg;
	struct vmm_boot_config good = VMM_BOOT_CONFIG_INIT;

	good.kernel_path = files_image(arch_kernel(*protocol), "6.1");
	good.initrd_path = files_image(FILE_INITRD, "6.1");
	good.cmdline = "console=hvc0";
	good.protocol = *protocol;
	for (size_t i = 0; i < sizeof(spoils) / sizeof(spoils[0]); i++)
		refuse_one(i, &good);
}

void refuse_add(void)
{
#ifdef __x86_64__
	static const uint32_t protocols[] = { VMM_BOOT_BZIMAGE, VMM_BOOT_PVH, VMM_BOOT_ELF };

	harness_add(&(struct scenario){ "refuse/bzimage", refuse, &protocols[0], 60, true });
	harness_add(&(struct scenario){ "refuse/pvh", refuse, &protocols[1], 60, true });
	harness_add(&(struct scenario){ "refuse/elf", refuse, &protocols[2], 60, true });
#else
	static const uint32_t protocols[] = { VMM_BOOT_IMAGE, VMM_BOOT_AUTO };

	harness_add(&(struct scenario){ "refuse/image", refuse, &protocols[0], 60, true });
	harness_add(&(struct scenario){ "refuse/image.gz", refuse, &protocols[1], 60, true });
#endif
}
