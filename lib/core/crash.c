/* SPDX-License-Identifier: MIT */
/*
 * crash.c - collect what is known of a guest that does not run.
 *
 * Nothing is collected while it runs but the notes of exits and the tails of consoles, which are
 * there in any case: a guest that never crashes pays no more than that.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backends/console/tail_priv.h"
#include "core/config_priv.h"
#include "core/crash_priv.h"
#include "core/error_priv.h"
#include "core/vm_priv.h"

/* ---- collecting ---- */

static uint64_t seconds_and_ns(clockid_t clock, uint64_t unit)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * unit + (unit > 1 ? (uint64_t)t.tv_nsec : 0);
}

/* With vm->lock: no vCPU runs, and none begins to. */
static int collect_vcpus(struct vmm_crash *crash, struct vmm *vm)
{
	if (vm->state != VMM_STATE_PAUSED && vm->state != VMM_STATE_STOPPED)
		return vmm__fail(-EBUSY, "%s has not stopped, nor is it paused", vm->name);
	if (vm->state == VMM_STATE_STOPPED)
		crash->info = vm->stop;
	for (uint32_t i = 0; i < vm->nr_vcpus; i++) {
		struct crash_vcpu *v = &crash->vcpus[i];

		v->regs = (struct vmm_regs)VMM_REGS_INIT;
		if (vmm__arch_read_regs(vm->vcpus[i].fd, &v->regs) < 0)
			v->regs.arch = VMM_ARCH_NONE;
		v->exits = vm->vcpus[i].exits;
	}
	return 0;
}

static int collect_consoles(struct vmm_crash *crash, struct vmm *vm)
{
	uint32_t n = 0, i = 0;

	for (struct console_tail *t = vm->consoles; t; t = t->next)
		n++;
	crash->consoles = calloc(n ? n : 1, sizeof(crash->consoles[0]));
	if (!crash->consoles)
		return vmm__fail(-ENOMEM, "no memory for a crash record");
	for (struct console_tail *t = vm->consoles; t && i < n; t = t->next) {
		struct crash_console *c = &crash->consoles[i++];

		memcpy(c->name, t->name, sizeof(c->name));
		c->bytes = malloc(CONSOLE_TAIL + 1);
		if (!c->bytes)
			return vmm__fail(-ENOMEM, "no memory for a crash record");
		c->len = vmm__console_tail_copy(t, c->bytes, &c->total);
		c->bytes[c->len] = '\0';
		crash->nr_consoles = i;
	}
	return 0;
}

int vmm_crash_record(struct vmm *vm, struct vmm_crash **ret_crash)
{
	struct vmm_crash *crash;
	int r;

	if (!vm || !ret_crash)
		return vmm__fail(-EINVAL, "no guest, or no place for the record");
	crash = calloc(1, sizeof(*crash));
	if (!crash)
		return vmm__fail(-ENOMEM, "no memory for a crash record");
	crash->vcpus = calloc(vm->nr_vcpus, sizeof(crash->vcpus[0]));
	if (!crash->vcpus) {
		r = vmm__fail(-ENOMEM, "no memory for a crash record");
		goto free_crash;
	}
	crash->nr_vcpus = vm->nr_vcpus;
	snprintf(crash->name, sizeof(crash->name), "%s", vm->name);
	crash->taken_ns = seconds_and_ns(CLOCK_MONOTONIC, 1000000000u);
	crash->taken_at = seconds_and_ns(CLOCK_REALTIME, 1);
	crash->info = (struct vmm_stop_info)VMM_STOP_INFO_INIT;

	pthread_mutex_lock(&vm->lock);
	r = collect_vcpus(crash, vm);
	pthread_mutex_unlock(&vm->lock);
	if (r == 0)
		r = collect_consoles(crash, vm);
	if (r < 0)
		goto free_crash;
	*ret_crash = crash;
	return 0;

free_crash:
	vmm_crash_free(crash);
	return r;
}

void vmm_crash_free(struct vmm_crash *crash)
{
	if (!crash)
		return;
	for (uint32_t i = 0; i < crash->nr_consoles; i++)
		free(crash->consoles[i].bytes);
	free(crash->consoles);
	free(crash->vcpus);
	free(crash);
}

/* ---- reading ---- */

int vmm_crash_info(const struct vmm_crash *crash, struct vmm_stop_info *ret_info)
{
	if (!crash || !ret_info || ret_info->size < sizeof(ret_info->size))
		return vmm__fail(-EINVAL, "no record, or no place for the answer: use VMM_STOP_INFO_INIT");
	vmm__config_answer(ret_info, ret_info->size, &crash->info, sizeof(crash->info));
	return 0;
}

uint32_t vmm_crash_vcpus(const struct vmm_crash *crash)
{
	return crash ? crash->nr_vcpus : 0;
}

int vmm_crash_regs(const struct vmm_crash *crash, uint32_t vcpu, struct vmm_regs *ret_regs)
{
	if (!crash || !ret_regs || ret_regs->size < sizeof(ret_regs->size) || vcpu >= crash->nr_vcpus)
		return vmm__fail(-EINVAL, "no record, no vCPU %u in it, or no place for registers", vcpu);
	if (crash->vcpus[vcpu].regs.arch == VMM_ARCH_NONE)
		return vmm__fail(-ENOENT, "KVM did not give the registers of vCPU %u", vcpu);
	vmm__config_answer(ret_regs, ret_regs->size, &crash->vcpus[vcpu].regs,
			   sizeof(crash->vcpus[vcpu].regs));
	return 0;
}

int vmm_crash_exit(const struct vmm_crash *crash, uint32_t vcpu, uint32_t back,
		   struct vmm_exit_record *ret_exit)
{
	struct vmm_exit_record record;

	if (!crash || !ret_exit || ret_exit->size < sizeof(ret_exit->size) || vcpu >= crash->nr_vcpus)
		return vmm__fail(-EINVAL, "no record, no vCPU %u in it, or no place for the exit", vcpu);
	if (!vmm__exits_get(&crash->vcpus[vcpu].exits, back, &record))
		return 0;
	vmm__config_answer(ret_exit, ret_exit->size, &record, sizeof(record));
	return 1;
}

const char *vmm_crash_console(const struct vmm_crash *crash, uint32_t index, const char **ret_name,
			      size_t *ret_len)
{
	if (!crash || !ret_len || index >= crash->nr_consoles)
		return NULL;
	if (ret_name)
		*ret_name = crash->consoles[index].name;
	*ret_len = crash->consoles[index].len;
	return crash->consoles[index].bytes;
}
