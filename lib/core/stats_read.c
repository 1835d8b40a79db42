/* SPDX-License-Identifier: MIT */
/*
 * stats_read.c - what a guest's parts have counted.
 *
 * Nothing is asked of a thread that runs: counters are read as they are, and the clocks of
 * threads by the kernel.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "backends/console/tail_priv.h"
#include "core/error_priv.h"
#include "core/stats_impl_priv.h"
#include "core/vm_priv.h"

static void number(struct vmm_stats *stats, const char *name, uint64_t value)
{
	vmm_stats_add(stats, name, value, VMM_STAT_COUNTER, VMM_STAT_NUMBER);
}

static void gauge(struct vmm_stats *stats, const char *name, uint64_t value, uint32_t unit)
{
	vmm_stats_add(stats, name, value, VMM_STAT_GAUGE, unit);
}

static void add_guest(struct vmm_stats *stats, struct vmm *vm)
{
	struct stat st;

	pthread_mutex_lock(&vm->lock);
	gauge(stats, "guest.state", vm->state, VMM_STAT_NUMBER);
	number(stats, "guest.starts", vm->starts);
	number(stats, "guest.resets", vm->resets);
	pthread_mutex_unlock(&vm->lock);

	gauge(stats, "memory.bytes", vm->ram.bytes, VMM_STAT_BYTES);
	if (vm->ram.fd >= 0 && fstat(vm->ram.fd, &st) == 0)
		gauge(stats, "memory.host_bytes", (uint64_t)st.st_blocks * 512u, VMM_STAT_BYTES);
}

static void add_events(struct vmm_stats *stats, struct events *events)
{
	pthread_mutex_lock(&events->lock);
	number(stats, "events.count", events->sequence);
	number(stats, "events.lost", events->lost_ever);
	gauge(stats, "events.unread", events->nr, VMM_STAT_NUMBER);
	pthread_mutex_unlock(&events->lock);
}

static void add_loop(struct vmm_stats *stats, const struct vmm_loop *loop)
{
	struct loop_stats counts;

	vmm__loop_stats(loop, &counts);
	number(stats, "loop.turns", counts.turns);
	number(stats, "loop.callbacks", counts.callbacks);
	if (counts.cpu_ns > 0)
		vmm_stats_add(stats, "loop.cpu_ns", counts.cpu_ns, VMM_STAT_COUNTER, VMM_STAT_NS);
}

/* With vm->lock, which keeps the thread from being joined. */
static uint64_t cpu_ns(const struct vmm_vcpu *vcpu)
{
	struct timespec t;
	clockid_t clock;

	if (vcpu->tid == 0 || pthread_getcpuclockid(vcpu->thread, &clock) != 0 ||
	    clock_gettime(clock, &t) < 0)
		return vcpu->cpu_ns;
	return vcpu->cpu_ns + (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void add_exits(struct vmm_stats *stats, const struct exit_log *log, uint32_t vcpu)
{
	uint64_t total = 0, other = 0;

	vmm__stats_prefix(stats, "vcpu%u.exits.", vcpu);
	for (uint32_t i = 0; i < EXIT_KINDS; i++) {
		uint64_t n = counted(&log->counts[i]);

		total += n;
		if (strcmp(vmm__exits_name(i), "other") == 0)
			other += n;
		else if (n > 0)
			number(stats, vmm__exits_name(i), n);
	}
	number(stats, "other", other);
	number(stats, "total", total);
}

static void add_vcpu(struct vmm_stats *stats, struct vmm_vcpu *vcpu, uint32_t flags)
{
	struct vmm *vm = vcpu->vm;
	int stats_fd;

	vmm__stats_prefix(stats, "vcpu%u.", vcpu->id);
	number(stats, "interrupted", counted(&vcpu->exits.interrupted));
	pthread_mutex_lock(&vm->lock);
	if (!(vm->flags & VMM_F_CALLER_VCPUS))
		vmm_stats_add(stats, "cpu_ns", cpu_ns(vcpu), VMM_STAT_COUNTER, VMM_STAT_NS);
	stats_fd = vcpu->stats_fd;	/* open until the guest is destroyed */
	pthread_mutex_unlock(&vm->lock);
	vmm__stats_prefix(stats, "vcpu%u.kvm.", vcpu->id);
	if (stats_fd >= 0)
		vmm__kvm_stats_read(stats, stats_fd, flags);
	add_exits(stats, &vcpu->exits, vcpu->id);
}

static void add_kvm(struct vmm_stats *stats, const struct vmm *vm, uint32_t flags)
{
	int fd = vmm__kvm_stats_open(vm->vm_fd);

	if (fd < 0)
		return;
	vmm__stats_prefix(stats, "kvm.");
	vmm__kvm_stats_read(stats, fd, flags);
	close(fd);
}

static void add_consoles(struct vmm_stats *stats, struct vmm *vm)
{
	struct console_tail *tail;

	pthread_mutex_lock(&vm->lock);
	tail = vm->consoles;
	pthread_mutex_unlock(&vm->lock);
	/* What follows the first one does not change any more. */
	for (; tail; tail = tail->next) {
		vmm__stats_prefix(stats, "console.%s.", tail->name);
		vmm_stats_add(stats, "bytes", vmm__console_tail_total(tail), VMM_STAT_COUNTER,
			      VMM_STAT_BYTES);
	}
}

static void add_device(struct vmm_device *dev, void *data)
{
	struct vmm_stats *stats = data;

	vmm__stats_prefix(stats, "device.%s.", vmm__device_name(dev));
	vmm__device_stats(dev, stats);
}

int vmm_stats_read(struct vmm *vm, uint32_t flags, struct vmm_stats **ret_stats)
{
	struct vmm_stats *stats;

	if (!vm || !ret_stats || (flags & ~(uint32_t)VMM_STATS_HISTOGRAMS))
		return vmm__fail(-EINVAL, "no guest, no place for the reading, or flags 0x%x that are "
				 "not VMM_STATS_ ones", flags);
	stats = vmm__stats_new();
	if (!stats)
		return vmm__fail(-ENOMEM, "no memory for statistics");

	add_guest(stats, vm);
	add_events(stats, &vm->events);
	add_loop(stats, vm->loop);
	for (uint32_t i = 0; i < vm->nr_vcpus; i++)
		add_vcpu(stats, &vm->vcpus[i], flags);
	add_kvm(stats, vm, flags);
	add_consoles(stats, vm);
	/* None of them is unplugged meanwhile. */
	vmm__devices_walk(vm, add_device, stats);
	vmm__stats_prefix(stats, "%s", "");
	if (stats->failed) {
		vmm_stats_free(stats);
		return vmm__fail(-ENOMEM, "no memory for statistics");
	}
	*ret_stats = stats;
	return 0;
}
