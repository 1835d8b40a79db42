/* SPDX-License-Identifier: MIT */
/* debug_data.c - a debugger reads and writes registers and memory, as if no breakpoint stood in it. */
#include <errno.h>
#include <string.h>

#include "core/debug_priv.h"
#include "core/error_priv.h"

/* ---- registers ---- */

int vmm__debug_read_regs(struct vmm *vm, uint32_t vcpu, uint8_t *ret_block)
{
	int r;

	pthread_mutex_lock(&vm->lock);
	r = vmm__debug_parked(vm) ? vmm__arch_gdb_read(vm->vcpus[vcpu].fd, ret_block)
		       : vmm__fail(-EBUSY, "%s is not held", vm->name);
	pthread_mutex_unlock(&vm->lock);
	return r;
}

int vmm__debug_write_regs(struct vmm *vm, uint32_t vcpu, const uint8_t *block)
{
	int r;

	pthread_mutex_lock(&vm->lock);
	r = vmm__debug_parked(vm) ? vmm__arch_gdb_write(vm->vcpus[vcpu].fd, block)
		       : vmm__fail(-EBUSY, "%s is not held", vm->name);
	pthread_mutex_unlock(&vm->lock);
	return r;
}

/* ---- memory, by pages of the vCPU's tables ---- */

#define PAGE	4096u

static uint32_t breakpoint_bytes(void)
{
	const uint32_t n = vmm__arch_gdb()->breakpoint_bytes, most = sizeof(((struct soft_breakpoint *)0)->saved);

	return n < most ? n : most;
}

/* With the lock: the bytes of a read that lie under breakpoints are those that were there. */
static void uncover(const struct guest_debug *debug, uint64_t address, uint8_t *bytes, size_t len)
{
	const uint32_t n = breakpoint_bytes();

	for (uint32_t i = 0; i < debug->nr_soft; i++) {
		for (uint32_t j = 0; j < n; j++) {
			uint64_t offset = debug->soft[i].address + j - address;

			if (offset < len)
				bytes[offset] = debug->soft[i].saved[j];
		}
	}
}

/* A write under a breakpoint changes what comes back when that is taken out. */
static void cover(struct guest_debug *debug, uint64_t address, uint8_t *bytes, size_t len)
{
	const struct arch_gdb *arch = vmm__arch_gdb();
	const uint32_t n = breakpoint_bytes();

	for (uint32_t i = 0; i < debug->nr_soft; i++) {
		for (uint32_t j = 0; j < n; j++) {
			uint64_t offset = debug->soft[i].address + j - address;

			if (offset >= len)
				continue;
			debug->soft[i].saved[j] = bytes[offset];
			bytes[offset] = arch->breakpoint[j];
		}
	}
}

/* With the lock: one piece that lies in one page. */
static int transfer(struct vmm *vm, uint32_t vcpu, uint64_t address, uint8_t *bytes, size_t len,
		    bool write)
{
	vmm_gpa_t gpa;
	int r = vmm__arch_translate(vm->vcpus[vcpu].fd, address, &gpa);

	if (r < 0)
		return r;
	if (!write) {
		r = vmm_mem_read(&vm->mem, gpa, bytes, len);
		if (r == 0)
			uncover(vm->debug, address, bytes, len);
		return r;
	}
	r = vmm_mem_read(&vm->mem, gpa, &(uint8_t){ 0 }, 1);
	if (r < 0)
		return r;
	cover(vm->debug, address, bytes, len);
	return vmm_mem_write(&vm->mem, gpa, bytes, len);
}

static int transfer_all(struct vmm *vm, uint32_t vcpu, uint64_t address, void *dst, const void *src,
			size_t len)
{
	uint8_t page[PAGE];
	size_t done = 0;
	int r = 0;

	pthread_mutex_lock(&vm->lock);
	if (!vmm__debug_parked(vm))
		r = vmm__fail(-EBUSY, "%s is not held", vm->name);
	while (done < len && r == 0) {
		size_t n = PAGE - (address + done) % PAGE;

		n = len - done < n ? len - done : n;
		if (src)
			memcpy(page, (const uint8_t *)src + done, n);
		r = transfer(vm, vcpu, address + done, page, n, src != NULL);
		if (r == 0 && dst)
			memcpy((uint8_t *)dst + done, page, n);
		done += r == 0 ? n : 0;
	}
	pthread_mutex_unlock(&vm->lock);
	return done > 0 || r == 0 ? (int)done : r;
}

int vmm__debug_read(struct vmm *vm, uint32_t vcpu, uint64_t address, void *dst, size_t len)
{
	return transfer_all(vm, vcpu, address, dst, NULL, len);
}

int vmm__debug_write(struct vmm *vm, uint32_t vcpu, uint64_t address, const void *src, size_t len)
{
	return transfer_all(vm, vcpu, address, NULL, src, len);
}
