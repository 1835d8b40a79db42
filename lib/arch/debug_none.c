/* SPDX-License-Identifier: MIT */
/* debug_none.c - an architecture that nobody can look into yet, and says so. */
#include <elf.h>
#include <errno.h>

#include "arch/arch_debug_priv.h"
#include "core/error_priv.h"

static int no(void)
{
	return vmm__fail(-EOPNOTSUPP, "guests of this architecture cannot be debugged");
}

uint32_t vmm__arch_list_regs(const struct vmm_regs *regs, struct arch_reg *list, uint32_t max)
{
	return 0;
}

uint16_t vmm__arch_core_machine(void)
{
	return EM_NONE;
}

size_t vmm__arch_core_notes(const struct vmm_regs *regs, uint32_t thread, void *ret_notes)
{
	return 0;
}

const struct arch_gdb *vmm__arch_gdb(void)
{
	return NULL;
}

bool vmm__arch_gdb_place(uint32_t n, uint32_t *ret_offset, uint32_t *ret_bytes)
{
	return false;
}

int vmm__arch_gdb_read(int vcpu_fd, uint8_t *ret_block)
{
	return no();
}

int vmm__arch_gdb_write(int vcpu_fd, const uint8_t *block)
{
	return no();
}

int vmm__arch_translate(int vcpu_fd, uint64_t address, vmm_gpa_t *ret_gpa)
{
	return no();
}

bool vmm__arch_watch_possible(const struct arch_watch *watch)
{
	return false;
}

int vmm__arch_debug_set(int vm_fd, int vcpu_fd, const struct arch_debug *debug)
{
	return no();
}

int vmm__arch_debug_reinject(int vm_fd, int vcpu_fd, const struct kvm_run *run,
			     const struct arch_debug *debug)
{
	return no();
}

uint64_t vmm__arch_pc(const struct vmm_regs *regs)
{
	return 0;
}

struct arch_hit vmm__arch_debug_hit(const struct kvm_run *run, const struct arch_debug *debug)
{
	return (struct arch_hit){ .kind = ARCH_HIT_NONE };
}
