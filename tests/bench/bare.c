/* SPDX-License-Identifier: MIT */
/* bare.c - a guest made with nothing but KVM's own calls. */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bare.h"
#include "bench.h"

#define CPUID_ENTRIES	256

static int must(int r, const char *what)
{
	if (r < 0)
		bench_die_errno(what);
	return r;
}

static void make_vm(struct bare *bare, bool machine)
{
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };
	uint64_t identity_map = 0xfffbc000;

	bare->kvm_fd = must(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
	bare->vm_fd = must(ioctl(bare->kvm_fd, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
	if (!machine)
		return;
	must(ioctl(bare->vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &identity_map), "KVM_SET_IDENTITY_MAP_ADDR");
	must(ioctl(bare->vm_fd, KVM_SET_TSS_ADDR, 0xfffbd000ul), "KVM_SET_TSS_ADDR");
	must(ioctl(bare->vm_fd, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");
	must(ioctl(bare->vm_fd, KVM_CREATE_PIT2, &pit), "KVM_CREATE_PIT2");
}

static void make_ram(struct bare *bare, size_t bytes)
{
	struct kvm_userspace_memory_region slot = { .memory_size = bytes };

	bare->ram_fd = must(memfd_create("bare", MFD_CLOEXEC), "memfd_create");
	must(ftruncate(bare->ram_fd, (off_t)bytes), "ftruncate");
	bare->ram_bytes = bytes;
	bare->ram = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, bare->ram_fd, 0);
	if (bare->ram == MAP_FAILED)
		bench_die_errno("mmap");
	slot.userspace_addr = (uintptr_t)bare->ram;
	must(ioctl(bare->vm_fd, KVM_SET_USER_MEMORY_REGION, &slot), "KVM_SET_USER_MEMORY_REGION");
}

static void make_vcpu(struct bare *bare)
{
	struct kvm_cpuid2 *cpuid = malloc(sizeof(*cpuid) + CPUID_ENTRIES * sizeof(cpuid->entries[0]));

	bare->vcpu_fd = must(ioctl(bare->vm_fd, KVM_CREATE_VCPU, 0ul), "KVM_CREATE_VCPU");
	bare->run_bytes = (size_t)must(ioctl(bare->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0),
				       "KVM_GET_VCPU_MMAP_SIZE");
	bare->run = mmap(NULL, bare->run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, bare->vcpu_fd, 0);
	if (bare->run == MAP_FAILED || !cpuid)
		bench_die_errno("mmap");
	memset(cpuid, 0, sizeof(*cpuid));
	cpuid->nent = CPUID_ENTRIES;
	must(ioctl(bare->kvm_fd, KVM_GET_SUPPORTED_CPUID, cpuid), "KVM_GET_SUPPORTED_CPUID");
	must(ioctl(bare->vcpu_fd, KVM_SET_CPUID2, cpuid), "KVM_SET_CPUID2");
	free(cpuid);
}

static void make_regs(struct bare *bare)
{
	const struct kvm_regs regs = { .rip = CODE, .rflags = 2 };
	struct kvm_sregs sregs;

	must(ioctl(bare->vcpu_fd, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	sregs.cs.base = sregs.cs.selector = 0;
	sregs.ds.base = HOLE;
	must(ioctl(bare->vcpu_fd, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
	must(ioctl(bare->vcpu_fd, KVM_SET_REGS, &regs), "KVM_SET_REGS");
}

void bare_create(struct bare *bare, size_t ram_bytes, bool machine, const void *code, size_t code_bytes)
{
	make_vm(bare, machine);
	make_ram(bare, ram_bytes);
	make_vcpu(bare);
	memcpy(bare->ram + CODE, code, code_bytes);
	make_regs(bare);
}

void bare_destroy(struct bare *bare)
{
	munmap(bare->run, bare->run_bytes);
	close(bare->vcpu_fd);
	close(bare->vm_fd);
	munmap(bare->ram, bare->ram_bytes);
	close(bare->ram_fd);
	close(bare->kvm_fd);
}

uint64_t bare_run(struct bare *bare)
{
	struct kvm_run *run = bare->run;
	uint64_t exits = 0;

	for (;; exits++) {
		/* Some KVMs come back without a signal when the host is busy. */
		while (ioctl(bare->vcpu_fd, KVM_RUN, 0) < 0) {
			if (errno != EINTR)
				bench_die_errno("KVM_RUN");
		}
		switch (run->exit_reason) {
		case KVM_EXIT_IO:
			if (run->io.port == PORT_END)
				return exits;
			break;
		case KVM_EXIT_MMIO:
			if (!run->mmio.is_write)
				memset(run->mmio.data, 0, sizeof(run->mmio.data));
			break;
		default:
			bench_die("an exit that was not expected");
		}
	}
}

void code_regs(struct vmm_regs *regs)
{
	regs->x86.cs.base = regs->x86.cs.selector = 0;
	regs->x86.ds.base = HOLE;
	regs->x86.rip = CODE;
	regs->x86.rflags = 2;
}
