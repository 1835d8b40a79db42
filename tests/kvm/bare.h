/* SPDX-License-Identifier: MIT */
/*
 * bare.h - guests of a few instructions: memory, one vCPU as after reset, nothing else.
 */
#ifndef TESTS_KVM_BARE_H
#define TESTS_KVM_BARE_H

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libvmm/loop.h>
#include <libvmm/memory.h>
#include <libvmm/range.h>
#include <libvmm/vcpu.h>
#include <libvmm/vmm.h>

#define SKIP	77	/* what meson calls a skipped test */

/* What the tests' guests do, at CODE. */
#if defined(__x86_64__)		/* real mode */
#define RAM_BASE	0u
#define CODE		0x1000
#define CODE_SPIN	"\xeb\xfe"			/* jmp . */
#define CODE_SPIN_LEN	2
#define CODE_HLT	"\xf4"
#define CODE_OUT	"\xb0\x42\xe6\x10\xeb\xfa"	/* l: mov al, 42h; out 10h, al; jmp l */
#define CODE_IN_OUT	"\xe4\x11\xe6\x10\xf4"		/* in al, 11h; out 10h, al; hlt */
#elif defined(__aarch64__)	/* EL1, without MMU */
#define RAM_BASE	0x40000000u
#define CODE		0x40001000
#define CODE_SPIN	"\x00\x00\x00\x14"		/* b . */
#define CODE_SPIN_LEN	4
#elif defined(__riscv)		/* supervisor mode, without translation */
#define RAM_BASE	0x80000000ull
#define CODE		0x80001000
#define CODE_SPIN	"\x6f\x00\x00\x00"		/* j . */
#define CODE_SPIN_LEN	4
#endif

static inline void bare_enter(struct vmm *vm, uint32_t index, const char *code, size_t len)
{
	struct vmm_regs regs = VMM_REGS_INIT;
	struct vmm_vcpu *vcpu = vmm_vcpu(vm, index);

	ck_assert_int_eq(vmm_mem_write(vmm_memory(vm), CODE, code, len), 0);
	ck_assert_int_eq(vmm_vcpu_read_regs(vcpu, &regs), 0);
#if defined(__x86_64__)
	regs.x86.cs.base = regs.x86.cs.selector = 0;
	regs.x86.rip = CODE;
	regs.x86.rflags = 2;
#elif defined(__aarch64__)
	regs.aarch64.pc = CODE;
#elif defined(__riscv)
	regs.riscv64.pc = CODE;
#endif
	ck_assert_int_eq(vmm_vcpu_write_regs(vcpu, &regs), 0);
}

static inline struct vmm *bare_guest(uint32_t flags, struct vmm_loop *loop, const char *code,
				     size_t len)
{
	struct vmm_config config = VMM_CONFIG_INIT;
	struct vmm *vm;

	config.name = "bare";
	config.ram_bytes = 1 << 20;
	config.flags = VMM_F_KVM_ONLY | flags;
	config.loop = loop;
	ck_assert_msg(vmm_create(&config, &vm) == 0, "%s", vmm_last_error());
	if (code)
		bare_enter(vm, 0, code, len);
	return vm;
}

static inline int count_dir(const char *path)
{
	DIR *dir = opendir(path);
	int n = 0;

	ck_assert_ptr_nonnull(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}


/* Threads of the library's: their names say so. (A sanitizer may have one of its own.) */
static inline int count_threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;
	int n = 0;

	ck_assert_ptr_nonnull(dir);
	while ((entry = readdir(dir))) {
		char path[300], name[16] = "";
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", entry->d_name);
		f = fopen(path, "re");
		if (!f)
			continue;
		n += fgets(name, sizeof(name), f) && strncmp(name, "vmm/", 4) == 0;
		fclose(f);
	}
	closedir(dir);
	return n;
}

/* What a process has that can leak. */
struct holdings {
	int fds, threads, vm_maps;
};

/* Descriptors, threads, and mappings of files (memfds and vCPUs; malloc's own come and go). */
static inline struct holdings holdings_now(void)
{
	struct holdings h = { .fds = count_dir("/proc/self/fd"), .threads = count_threads() };
	FILE *f = fopen("/proc/self/maps", "re");
	char line[512];

	while (fgets(line, sizeof(line), f))
		h.vm_maps += strstr(line, "kvm-vcpu") || strstr(line, "memfd:");
	fclose(f);
	return h;
}

/* A joined thread is gone from /proc a moment after its join returned. */
static inline void assert_nothing_left(struct holdings before)
{
	struct holdings now = holdings_now();

	for (int i = 0; i < 1000 && now.threads != before.threads; i++) {
		usleep(1000);
		now = holdings_now();
	}
	ck_assert_int_eq(now.fds, before.fds);
	ck_assert_int_eq(now.threads, before.threads);
	ck_assert_int_eq(now.vm_maps, before.vm_maps);
}

static inline int run_suite(Suite *suite)
{
	SRunner *runner;
	int failed;

	if (access("/dev/kvm", R_OK | W_OK) != 0) {
		printf("skipped: /dev/kvm is absent or may not be opened\n");
		return SKIP;
	}
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
