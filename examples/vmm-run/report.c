/* SPDX-License-Identifier: MIT */
/*
 * report.c - what is said about the host and about a crash.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libvmm/crash.h>
#include <libvmm/dump.h>
#include <libvmm/host.h>

#include "options.h"
#include "report.h"
#include "tty.h"

/* ---- the host ---- */

static const char *yes_no(const struct vmm_host_info *info, uint32_t flag)
{
	return info->flags & flag ? "yes" : "no";
}

int report_host(void)
{
	struct vmm_host_info info = VMM_HOST_INFO_INIT;

	if (vmm_host_query(0, &info) < 0) {
		printf("KVM               not usable: %s\n", vmm_last_error());
		return STATUS_ERROR;
	}
	if (info.flags & VMM_HOST_USABLE)
		printf("KVM               usable, API version %u\n", info.kvm_api_version);
	else
		printf("KVM               not usable: %s\n", info.missing);
	printf("hardware          %s\n",
	       info.flags & VMM_HOST_HARDWARE
		       ? "yes"
		       : "none behind this KVM: it emulates, and stock kernels may not run");
	printf("CPUs of a guest   %u at most, %u recommended\n", info.max_vcpus,
	       info.recommended_vcpus);
	printf("memory            %" PRIu64 " MiB in this machine, pages of %" PRIu64
	       " KiB, %u slots\n",
	       info.memory_bytes >> 20, info.page_bytes >> 10, info.max_memory_slots);
	printf("guest addresses   %u bits\n", info.gpa_bits);
	printf("interrupts        in the kernel: %s, irqfd: %s, MSI: %s\n",
	       yes_no(&info, VMM_HOST_IRQCHIP), yes_no(&info, VMM_HOST_IRQFD),
	       yes_no(&info, VMM_HOST_MSI));
	printf("notifications     ioeventfd: %s\n", yes_no(&info, VMM_HOST_IOEVENTFD));
	printf("disks             io_uring: %s\n", yes_no(&info, VMM_HOST_IO_URING));
	printf("networks          user mode: %s, tap: %s\n", yes_no(&info, VMM_HOST_USER_NET),
	       yes_no(&info, VMM_HOST_TUN));
	printf("also              read-only memory: %s, dirty ring: %s, MSRs: %s, statistics: %s\n",
	       yes_no(&info, VMM_HOST_READONLY_MEM), yes_no(&info, VMM_HOST_DIRTY_RING),
	       yes_no(&info, VMM_HOST_USER_MSR), yes_no(&info, VMM_HOST_STATS));
	return info.flags & VMM_HOST_USABLE ? 0 : STATUS_ERROR;
}

void report_no_hardware(void)
{
	struct vmm_host_info info = VMM_HOST_INFO_INIT;

	if (vmm_host_query(0, &info) == 0 && !(info.flags & VMM_HOST_HARDWARE))
		say("warning: this KVM has no hardware behind it; stock kernels may not run");
}

/* ---- a crash ---- */

static void print_segment(const char *name, const struct vmm_x86_segment *s)
{
	fprintf(stderr, "  %-3s %04x  base %016" PRIx64 "  limit %08x  attributes %04x\n", name,
		s->selector, s->base, s->limit, s->attributes);
}

static void print_x86(const struct vmm_x86_regs *r)
{
	const struct {
		const char *name;
		uint64_t value;
	} regs[] = {
		{ "rip", r->rip }, { "rflags", r->rflags }, { "rsp", r->rsp }, { "rbp", r->rbp },
		{ "rax", r->rax }, { "rbx", r->rbx },	    { "rcx", r->rcx }, { "rdx", r->rdx },
		{ "rsi", r->rsi }, { "rdi", r->rdi },	    { "r8", r->r8 },   { "r9", r->r9 },
		{ "r10", r->r10 }, { "r11", r->r11 },	    { "r12", r->r12 }, { "r13", r->r13 },
		{ "r14", r->r14 }, { "r15", r->r15 },	    { "cr0", r->cr0 }, { "cr2", r->cr2 },
		{ "cr3", r->cr3 }, { "cr4", r->cr4 },	    { "cr8", r->cr8 }, { "efer", r->efer },
	};

	for (size_t i = 0; i < sizeof(regs) / sizeof(regs[0]); i++)
		fprintf(stderr, "  %-6s %016" PRIx64 "%s", regs[i].name, regs[i].value,
			i % 3 == 2 ? "\n" : "");
	print_segment("cs", &r->cs);
	print_segment("ss", &r->ss);
	print_segment("ds", &r->ds);
	print_segment("es", &r->es);
	print_segment("fs", &r->fs);
	print_segment("gs", &r->gs);
	print_segment("tr", &r->tr);
	fprintf(stderr, "  gdt base %016" PRIx64 "  limit %04x\n", r->gdt_base, r->gdt_limit);
	fprintf(stderr, "  idt base %016" PRIx64 "  limit %04x\n", r->idt_base, r->idt_limit);
}

static void print_general(const char *name, const uint64_t *x, int nr, uint64_t pc, uint64_t status)
{
	fprintf(stderr, "  pc %016" PRIx64 "  status %016" PRIx64 "\n", pc, status);
	for (int i = 0; i < nr; i++)
		fprintf(stderr, "  %s%-2d %016" PRIx64 "%s", name, i, x[i],
			i % 4 == 3 || i == nr - 1 ? "\n" : "");
}

void report_crash(const struct vmm_stop_info *info)
{
	say("the guest crashed: %s", info->words);
	fprintf(stderr, "  vCPU %d, KVM exit reason %u", (int)info->vcpu, info->exit_reason);
	for (uint32_t i = 0; i < info->nr_exit_data; i++)
		fprintf(stderr, "%s%#" PRIx64, i == 0 ? ", data " : " ", info->exit_data[i]);
	fprintf(stderr, "\n");
	if (info->regs.arch == VMM_ARCH_X86_64)
		print_x86(&info->regs.x86);
	else if (info->regs.arch == VMM_ARCH_AARCH64)
		print_general("x", info->regs.aarch64.x, 31, info->regs.aarch64.pc,
			      info->regs.aarch64.pstate);
	else if (info->regs.arch == VMM_ARCH_RISCV64)
		print_general("x", info->regs.riscv64.x, 32, info->regs.riscv64.pc,
			      info->regs.riscv64.sstatus);
}

/* ---- saving it ---- */

static int save_core(struct vmm *vm, int fd)
{
	return vmm_dump(vm, fd);
}

static int save_text(struct vmm *vm, int fd)
{
	struct vmm_crash *crash;
	int r = vmm_crash_record(vm, &crash);

	if (r < 0)
		return r;
	r = vmm_crash_write(crash, fd);
	vmm_crash_free(crash);
	return r;
}

/* To a file of its own first: what is there under the name is whole. */
static bool save(struct vmm *vm, const char *path, int (*write_to)(struct vmm *vm, int fd))
{
	char *part;
	bool saved = false;
	int fd;

	if (asprintf(&part, "%s.part", path) < 0) {
		say("out of memory");
		return false;
	}
	fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0) {
		say("%s: %s", part, strerror(errno));
	} else if (write_to(vm, fd) < 0) {
		say("%s: %s", path, vmm_last_error());
	} else if (fsync(fd) < 0 || rename(part, path) < 0) {
		say("%s: %s", path, strerror(errno));
	} else {
		saved = true;
	}
	if (fd >= 0)
		close(fd);
	if (fd >= 0 && !saved)
		unlink(part);
	free(part);
	return saved;
}

void report_save(struct vmm *vm, const char *path)
{
	char *text;

	if (asprintf(&text, "%s.txt", path) < 0) {
		say("out of memory");
		return;
	}
	if (save(vm, text, save_text))
		say("the crash is described in %s", text);
	if (save(vm, path, save_core))
		say("the guest's memory and registers are in %s", path);
	free(text);
}
