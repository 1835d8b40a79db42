/* SPDX-License-Identifier: MIT */
/* harness.c - start a small guest, hear its reports, wait for its end. */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <libvmm/boot.h>
#include <libvmm/host.h>
#include <libvmm/range.h>

#include "harness.h"

#define RAM_BYTES	(16u << 20)
#define PATIENCE	30

int harness_skip(void)
{
	struct vmm_host_info info = VMM_HOST_INFO_INIT;
	int r = vmm_host_query(0, &info);

	if (r < 0) {
		printf("no KVM: %s\n", vmm_last_error());
		return SKIP;
	}
	if (!(info.flags & VMM_HOST_USABLE)) {
		printf("this KVM lacks: %s\n", info.missing);
		return SKIP;
	}
	return 0;
}

int harness_patience(int seconds)
{
	const char *factor = getenv("CK_TIMEOUT_MULTIPLIER");
	int n = factor ? atoi(factor) : 1;

	return seconds * (n > 0 ? n : 1);
}

unsigned harness_count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* ---- the report's ports, on the vCPU's thread ---- */

static uint64_t report_read(void *state, uint64_t offset, uint32_t width)
{
	const struct guest *g = state;
	uint64_t n = (offset - (REPORT_PARAM - REPORT_BASE)) / 4;

	return n < REPORT_PARAMS ? g->params[n] : UINT64_MAX;
}

static void report_write(void *state, uint64_t offset, uint32_t width, uint64_t value)
{
	struct guest *g = state;

	pthread_mutex_lock(&g->lock);
	switch (offset + REPORT_BASE) {
	case REPORT_STEP:
		if (value < STEPS)
			g->steps[value]++;
		break;
	case REPORT_VALUE:
		g->value = (uint32_t)value;
		break;
	case REPORT_FAIL:
		g->failed = (uint32_t)value;
		break;
	case REPORT_DONE:
		g->done = true;
		break;
	}
	pthread_cond_broadcast(&g->changed);
	pthread_mutex_unlock(&g->lock);
}

static const struct vmm_range_ops report_ops = {
	.size = sizeof(struct vmm_range_ops),
	.name = "report",
	.read = report_read,
	.write = report_write,
};

uint64_t harness_pc(const struct vmm_regs *regs)
{
	switch (regs->arch) {
	case VMM_ARCH_X86_64:
		return regs->x86.rip;
	case VMM_ARCH_AARCH64:
		return regs->aarch64.pc;
	case VMM_ARCH_RISCV64:
		return regs->riscv64.pc;
	default:
		return 0;
	}
}

/* ---- life ---- */

void guest_create(struct guest *g, const struct vmm_config *config)
{
	struct vmm_config c = VMM_CONFIG_INIT;
	struct vmm_range_config range = VMM_RANGE_CONFIG_INIT;
	int r;

	if (config)
		c = *config;
	if (c.ram_bytes == 0)
		c.ram_bytes = RAM_BYTES;
	*g = (struct guest){ .params[PARAM_ROUNDS] = 1, .params[PARAM_RAM] = (uint32_t)c.ram_bytes };
	pthread_mutex_init(&g->lock, NULL);
	pthread_cond_init(&g->changed, NULL);
	r = vmm_create(&c, &g->vm);
	ck_assert_msg(r == 0, "vmm_create: %d, %s", r, vmm_last_error());

	range.space = REPORT_BASE < 65536 ? VMM_SPACE_PORT : VMM_SPACE_MMIO;
	range.base = REPORT_BASE;
	range.length = REPORT_LENGTH;
	range.ops = &report_ops;
	range.state = g;
	r = vmm_add_range(g->vm, &range);
	ck_assert_msg(r == 0, "vmm_add_range: %d, %s", r, vmm_last_error());
}

void guest_destroy(struct guest *g)
{
	vmm_destroy(g->vm);
	pthread_cond_destroy(&g->changed);
	pthread_mutex_destroy(&g->lock);
}

void guest_start(struct guest *g, const char *program)
{
	struct vmm_boot_config boot = VMM_BOOT_CONFIG_INIT;
	char path[512];
	int r;

	snprintf(path, sizeof(path), "%s/guest_%s", GUESTS_DIR, program);
	boot.kernel_path = path;
	boot.protocol = VMM_BOOT_AUTO;
	r = vmm_boot_linux(g->vm, &boot);
	ck_assert_msg(r == 0, "vmm_boot_linux %s: %d, %s", path, r, vmm_last_error());
	r = vmm_start(g->vm);
	ck_assert_msg(r == 0, "vmm_start: %d, %s", r, vmm_last_error());
}

/* ---- waiting ---- */

/* Until @n was reported @times times or nothing more will come. */
static bool wait_for(struct guest *g, uint32_t n, uint32_t times)
{
	struct timespec now, end;
	bool reached = false, over = false;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += harness_patience(PATIENCE);
	while (!reached && !over) {
		pthread_mutex_lock(&g->lock);
		clock_gettime(CLOCK_REALTIME, &now);
		reached = n < STEPS ? g->steps[n] >= times : g->done;
		over = g->done || g->failed || now.tv_sec > end.tv_sec;
		if (!reached && !over) {
			now.tv_nsec += 50000000;
			now.tv_sec += now.tv_nsec / 1000000000;
			now.tv_nsec %= 1000000000;
			pthread_cond_timedwait(&g->changed, &g->lock, &now);
		}
		pthread_mutex_unlock(&g->lock);
		if (vmm_state(g->vm) == VMM_STATE_STOPPED)
			over = true;
	}
	return reached;
}

static void gone(struct guest *g, const char *what)
{
	struct vmm_stop_info info = VMM_STOP_INFO_INIT;
	struct vmm_event event = VMM_EVENT_INIT;

	(void)vmm_stop_info(g->vm, &info);
	(void)guest_take_events(g, VMM_EVENT_DEVICE_BROKEN, &event);
	ck_abort_msg("%s: the guest %s, its line %u found 0x%x; %s at 0x%llx; %s %s", what,
		     g->failed ? "failed" : vmm_state(g->vm) == VMM_STATE_STOPPED ? "stopped" : "is late",
		     g->failed, g->value, info.words, (unsigned long long)harness_pc(&info.regs),
		     event.device, event.words);
}

void guest_wait_step(struct guest *g, uint32_t n, uint32_t times)
{
	char what[32];

	snprintf(what, sizeof(what), "step %u", n);
	if (!wait_for(g, n, times))
		gone(g, what);
}

void guest_wait_done(struct guest *g)
{
	if (!wait_for(g, STEPS, 1))
		gone(g, "its end");
}

bool guest_wait_any_end(struct guest *g)
{
	return wait_for(g, STEPS, 1);
}

uint32_t guest_take_events(struct guest *g, uint32_t type, struct vmm_event *ret_event)
{
	struct vmm_event event = VMM_EVENT_INIT;
	uint32_t n = 0;

	while (vmm_next_event(g->vm, &event) == 1) {
		if (event.type != type)
			continue;
		*ret_event = event;
		n++;
	}
	return n;
}
