/* SPDX-License-Identifier: MIT */
/*
 * i6300esb.c - the watchdog timer of an Intel 6300ESB (datasheet 300641, chapter 15).
 *
 * A 35-bit counter of the 33 MHz PCI clock runs down twice: after the first stage it may interrupt,
 * after the second it resets the machine. A write of 0x80 and one of 0x86 to the reload register
 * unlock one write of another register. The interrupt of the first stage, which no driver uses, is
 * shown in its status register and not delivered.
 *
 * Registers are written on vCPU threads; time passes on the loop. Feeding only moves the deadline:
 * a timer that comes too early is set again, so a guest that feeds often costs no system call.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include <libvmm/loop.h>
#include "bus/pci_priv.h"
#include "core/error_priv.h"
#include "devices/legacy/i6300esb_priv.h"

/* In the BAR. */
enum { TIMER1 = 0x00, TIMER2 = 0x04, INTERRUPT = 0x08, RELOAD = 0x0c, BAR_BYTES = 0x10 };
enum { UNLOCK_1 = 0x80, UNLOCK_2 = 0x86 };
enum { RELOAD_NOW = 1 << 8, RELOAD_TIMED_OUT = 1 << 9 };

/* In configuration space. */
enum { CONFIG = 0x60, LOCK = 0x68 };
enum { CONFIG_FAST = 1 << 2, CONFIG_NO_OUTPUT = 1 << 5, CONFIG_MASK = 0x27 };
enum { LOCK_LOCKED = 1 << 0, LOCK_ENABLED = 1 << 1, LOCK_FREE_RUN = 1 << 2, LOCK_MASK = 7 };

#define PRELOAD_MASK	0xfffffu
#define SHORTEST_NS	10000000u	/* a guest that asks for less gets this: the loop has other work */

struct i6300esb {
	struct i6300esb_host host;
	struct pci_function pci;
	struct vmm_timer *timer;
	struct vmm_deferred look;	/* the deadline came nearer */

	pthread_mutex_t lock;		/* of all that follows; inside the bus's */
	uint32_t preload[2];
	uint16_t config;
	uint8_t locked;			/* the lock register */
	uint8_t unlock;			/* how far the sequence has come: 2 is open */
	bool interrupt, timed_out;
	unsigned stage;			/* 0: it does not run */
	uint64_t deadline;
	uint64_t armed;			/* what the timer is set for */
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- with the lock ---- */

/* The preload value is in units of 2^15 (or 2^5) clocks of 33 MHz. */
static uint64_t period(const struct i6300esb *w)
{
	uint64_t clocks = (uint64_t)w->preload[w->stage - 1] << (w->config & CONFIG_FAST ? 5 : 15);
	uint64_t ns = clocks * 1000u / 33u;

	return ns > SHORTEST_NS ? ns : SHORTEST_NS;
}

static void begin(struct i6300esb *w, unsigned stage)
{
	w->stage = stage;
	if (stage == 0)
		return;
	w->deadline = now_ns() + period(w);
	if (w->armed == 0 || w->deadline < w->armed)
		(void)vmm_defer(&w->look);
}

/* ---- time, on the loop ---- */

/* With the lock: whether the guest's time is really over; the timer is set for later if not. */
static bool over(struct i6300esb *w)
{
	uint64_t now = now_ns(), since = w->host.running_since(w->host.data);

	w->armed = 0;
	if (w->stage == 0)
		return false;
	/* What it did not run does not count. */
	if (since == 0)
		w->deadline = now + period(w);
	else if (w->deadline < since + period(w))
		w->deadline = since + period(w);
	if (now >= w->deadline)
		return true;
	w->armed = w->deadline;
	return false;
}

/* With the lock. True: the machine is to be reset. */
static bool next_stage(struct i6300esb *w)
{
	bool fires = w->stage == 2 && !(w->config & CONFIG_NO_OUTPUT);

	if (w->stage == 1) {
		w->interrupt = true;
		begin(w, 2);
		return false;
	}
	w->timed_out |= fires;
	begin(w, w->locked & LOCK_FREE_RUN ? 1 : 0);
	return fires;
}

static void look(struct i6300esb *w)
{
	bool fires;
	uint64_t armed;

	pthread_mutex_lock(&w->lock);
	fires = over(w) && next_stage(w);
	if (w->stage > 0)
		w->armed = w->deadline;
	armed = w->armed;
	pthread_mutex_unlock(&w->lock);
	vmm_timer_set(w->timer, armed);
	if (fires)
		w->host.expired(w->host.data);
}

static void timer_expired(void *data)
{
	look(data);
}

static void look_deferred(struct vmm_deferred *deferred)
{
	look((struct i6300esb *)((char *)deferred - offsetof(struct i6300esb, look)));
}

/* ---- registers in memory ---- */

static uint64_t watchdog_read(void *state, uint64_t offset, uint32_t width)
{
	struct i6300esb *w = state;
	uint64_t value = 0;

	pthread_mutex_lock(&w->lock);
	if (offset == TIMER1 || offset == TIMER2)
		value = w->preload[offset / 4];
	else if (offset == INTERRUPT)
		value = w->interrupt;
	else if (offset == RELOAD)
		value = w->timed_out ? RELOAD_TIMED_OUT : 0;
	pthread_mutex_unlock(&w->lock);
	return value;
}

/* With the lock, open: one write. */
static void write_open(struct i6300esb *w, uint64_t offset, uint32_t width, uint32_t value)
{
	if ((offset == TIMER1 || offset == TIMER2) && width >= 4) {
		w->preload[offset / 4] = value & PRELOAD_MASK;
	} else if (offset == RELOAD && width >= 2) {
		if (value & RELOAD_TIMED_OUT)
			w->timed_out = false;
		if ((value & RELOAD_NOW) && (w->locked & LOCK_ENABLED))
			begin(w, 1);
	}
}

static void watchdog_write(void *state, uint64_t offset, uint32_t width, uint64_t value)
{
	struct i6300esb *w = state;

	pthread_mutex_lock(&w->lock);
	if (offset == INTERRUPT) {
		w->interrupt = w->interrupt && !(value & 1);
	} else if (offset == RELOAD && value == UNLOCK_1) {
		w->unlock = 1;
	} else if (offset == RELOAD && value == UNLOCK_2 && w->unlock == 1) {
		w->unlock = 2;
	} else {
		if (w->unlock == 2)
			write_open(w, offset, width, (uint32_t)value);
		w->unlock = 0;
	}
	pthread_mutex_unlock(&w->lock);
}

static const struct vmm_range_ops watchdog_range = {
	.size = sizeof(struct vmm_range_ops),
	.name = "watchdog",
	.read = watchdog_read,
	.write = watchdog_write,
};

/* ---- registers in configuration space, with the bus's lock ---- */

static bool touches(uint32_t offset, uint32_t width, uint32_t reg, uint32_t bytes)
{
	return offset < reg + bytes && reg < offset + width;
}

static void write_lock(struct i6300esb *w, uint8_t value)
{
	bool was = w->locked & LOCK_ENABLED;

	/* Locked is locked until the next reset. */
	if (w->locked & LOCK_LOCKED) {
		vmm__pci_store(&w->pci, LOCK, 1, w->locked);
		return;
	}
	w->locked = value & LOCK_MASK;
	if (!(value & LOCK_ENABLED))
		begin(w, 0);
	else if (!was)
		begin(w, 1);
}

static void config_written(void *state, uint32_t offset, uint32_t width)
{
	struct i6300esb *w = state;

	pthread_mutex_lock(&w->lock);
	if (touches(offset, width, CONFIG, 2))
		w->config = (uint16_t)vmm__pci_load(&w->pci, CONFIG, 2);
	if (touches(offset, width, LOCK, 1))
		write_lock(w, (uint8_t)vmm__pci_load(&w->pci, LOCK, 1));
	pthread_mutex_unlock(&w->lock);
}

static const struct pci_function_ops watchdog_pci = {
	.written = config_written,
};

/* ---- life ---- */

void vmm__i6300esb_reset(struct i6300esb *w)
{
	vmm__pci_reset(&w->pci);
	pthread_mutex_lock(&w->lock);
	w->preload[0] = w->preload[1] = PRELOAD_MASK;
	w->config = 0;
	w->locked = w->unlock = 0;
	w->interrupt = false;
	w->stage = 0;
	w->armed = 0;
	pthread_mutex_unlock(&w->lock);
	vmm_timer_set(w->timer, 0);
}

int vmm__i6300esb_create(const struct i6300esb_host *host, struct i6300esb **ret_watchdog)
{
	const struct pci_identity identity = {
		.vendor = 0x8086, .device = 0x25ab, .class = 0x088000,	/* system, other */
	};
	struct i6300esb *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return vmm__fail(-ENOMEM, "no memory for a watchdog");
	w->host = *host;
	pthread_mutex_init(&w->lock, NULL);
	vmm_deferred_init(&w->look, host->loop, look_deferred);
	r = vmm_loop_add_timer(host->loop, timer_expired, w, &w->timer);
	if (r < 0)
		goto free_watchdog;
	r = vmm__pci_add(host->pci, &w->pci, &identity, &watchdog_pci, w);
	if (r < 0)
		goto remove_timer;
	r = vmm__pci_add_bar(&w->pci, 0, BAR_BYTES, false, &watchdog_range, w);
	if (r < 0)
		goto remove_function;
	w->pci.writable[CONFIG] = CONFIG_MASK;
	w->pci.writable[LOCK] = LOCK_MASK;
	vmm__i6300esb_reset(w);
	*ret_watchdog = w;
	return 0;

remove_function:
	vmm__pci_remove(&w->pci);
remove_timer:
	vmm_timer_remove(w->timer);
free_watchdog:
	pthread_mutex_destroy(&w->lock);
	free(w);
	return r;
}

void vmm__i6300esb_destroy(struct i6300esb *w)
{
	if (!w)
		return;
	vmm__pci_remove(&w->pci);
	vmm_deferred_cancel(&w->look);
	vmm_timer_remove(w->timer);
	pthread_mutex_destroy(&w->lock);
	free(w);
}
