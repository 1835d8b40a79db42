/* SPDX-License-Identifier: MIT */
/*
 * pl031.c - Arm's real time clock (PrimeCell PL031, Arm DDI 0224).
 *
 * A counter of seconds, which is the host's clock, and what the guest sets is kept as a difference to
 * that. When the counter is as the match register says, the interrupt is raised.
 */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

#include <libvmm/loop.h>
#include "bus/bus_priv.h"
#include "core/error_priv.h"
#include "core/irq_priv.h"
#include "devices/legacy/pl031_priv.h"

enum {
	RTC_DR		= 0x00,		/* the time */
	RTC_MR		= 0x04,		/* the alarm's */
	RTC_LR		= 0x08,		/* set the time */
	RTC_CR		= 0x0c,		/* it counts: always, once it was started, which firmware did */
	RTC_IMSC	= 0x10,
	RTC_RIS		= 0x14,
	RTC_MIS		= 0x18,
	RTC_ICR		= 0x1c,
	RTC_ID		= 0xfe0,	/* eight bytes, one in each word */
	RTC_LENGTH	= 0x1000,
};

struct pl031 {
	struct bus *bus;
	uint64_t base;
	struct irqs *irqs;
	uint32_t gsi;
	struct vmm_timer *timer;	/* on the loop only */
	struct vmm_deferred work;

	pthread_mutex_t lock;		/* of all that follows */
	int64_t difference;		/* the guest's seconds less the host's */
	uint32_t match, load;
	bool armed;			/* the match register was written since the last alarm */
	bool enabled;			/* RTC_IMSC */
	bool raised;			/* RTC_RIS */
	bool wire;
};

static struct timespec host_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t;
}

/* ---- with the lock ---- */

static uint32_t guest_time(const struct pl031 *rtc)
{
	return (uint32_t)((int64_t)host_time().tv_sec + rtc->difference);
}

static void update_wire(struct pl031 *rtc)
{
	bool level = rtc->enabled && rtc->raised;

	if (level == rtc->wire)
		return;
	rtc->wire = level;
	(void)vmm__irq_set_line(rtc->irqs, rtc->gsi, level);
}

/* ---- the alarm, on the loop ---- */

/* Raise it if it is time; returns in how many nanoseconds it will be, 0: never, or it was raised. */
static uint64_t alarm_check(struct pl031 *rtc)
{
	uint64_t wait = 0;

	pthread_mutex_lock(&rtc->lock);
	if (rtc->armed) {
		struct timespec now = host_time();
		/* The counter goes round in 136 years. */
		uint32_t seconds = rtc->match - (uint32_t)((int64_t)now.tv_sec + rtc->difference);

		if (seconds == 0) {
			rtc->armed = false;
			rtc->raised = true;
			update_wire(rtc);
		} else {
			wait = (uint64_t)seconds * 1000000000u - (uint64_t)now.tv_nsec + 1;
		}
	}
	pthread_mutex_unlock(&rtc->lock);
	return wait;
}

static void alarm_look(struct pl031 *rtc)
{
	uint64_t wait = alarm_check(rtc);
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	vmm_timer_set(rtc->timer, wait == 0 ? 0 : (uint64_t)t.tv_sec * 1000000000u +
						  (uint64_t)t.tv_nsec + wait);
}

static void alarm_expired(void *data)
{
	alarm_look(data);
}

static void alarm_changed(struct vmm_deferred *deferred)
{
	alarm_look((struct pl031 *)((char *)deferred - offsetof(struct pl031, work)));
}

/* ---- registers, on the vCPU's thread ---- */

static uint32_t register_read(struct pl031 *rtc, uint64_t offset)
{
	static const uint8_t id[] = { 0x31, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1 };

	switch (offset) {
	case RTC_DR:
		return guest_time(rtc);
	case RTC_MR:
		return rtc->match;
	case RTC_LR:
		return rtc->load;
	case RTC_CR:
		return 1;
	case RTC_IMSC:
		return rtc->enabled;
	case RTC_RIS:
		return rtc->raised;
	case RTC_MIS:
		return rtc->enabled && rtc->raised;
	}
	if (offset >= RTC_ID)
		return id[(offset - RTC_ID) / 4];
	return 0;
}

static void register_write(struct pl031 *rtc, uint64_t offset, uint32_t value)
{
	switch (offset) {
	case RTC_MR:
		rtc->match = value;
		rtc->armed = true;
		(void)vmm_defer(&rtc->work);
		break;
	case RTC_LR:
		rtc->load = value;
		rtc->difference = (int64_t)value - (int64_t)host_time().tv_sec;
		(void)vmm_defer(&rtc->work);
		break;
	case RTC_IMSC:
		rtc->enabled = value & 1;
		break;
	case RTC_ICR:
		if (value & 1)
			rtc->raised = false;
		break;
	}
	update_wire(rtc);
}

/* Registers are words: what is not one is read as zero and not written. */
static uint64_t pl031_read(void *state, uint64_t offset, uint32_t width)
{
	struct pl031 *rtc = state;
	uint32_t value;

	if (width != 4 || offset % 4 != 0)
		return 0;
	pthread_mutex_lock(&rtc->lock);
	value = register_read(rtc, offset);
	pthread_mutex_unlock(&rtc->lock);
	return value;
}

static void pl031_write(void *state, uint64_t offset, uint32_t width, uint64_t value)
{
	struct pl031 *rtc = state;

	if (width != 4 || offset % 4 != 0)
		return;
	pthread_mutex_lock(&rtc->lock);
	register_write(rtc, offset, (uint32_t)value);
	pthread_mutex_unlock(&rtc->lock);
}

static const struct vmm_range_ops pl031_range = {
	.size = sizeof(struct vmm_range_ops),
	.name = "rtc",
	.read = pl031_read,
	.write = pl031_write,
};

/* ---- life ---- */

void vmm__pl031_reset(struct pl031 *rtc)
{
	pthread_mutex_lock(&rtc->lock);
	rtc->match = rtc->load = 0;
	rtc->armed = rtc->enabled = rtc->raised = false;
	update_wire(rtc);
	pthread_mutex_unlock(&rtc->lock);
}

int vmm__pl031_create(struct bus *bus, uint64_t base, struct irqs *irqs, uint32_t gsi,
		      struct vmm_loop *loop, struct pl031 **ret_rtc)
{
	struct pl031 *rtc = calloc(1, sizeof(*rtc));
	const struct bus_range range = {
		.base = base, .length = RTC_LENGTH, .ops = &pl031_range, .state = rtc,
	};
	int r;

	if (!rtc)
		return vmm__fail(-ENOMEM, "no memory for a clock");
	*rtc = (struct pl031){ .bus = bus, .base = base, .irqs = irqs, .gsi = gsi };
	pthread_mutex_init(&rtc->lock, NULL);
	vmm_deferred_init(&rtc->work, loop, alarm_changed);
	r = vmm_loop_add_timer(loop, alarm_expired, rtc, &rtc->timer);
	if (r < 0)
		goto free_rtc;
	r = vmm__bus_add(bus, &range);
	if (r < 0)
		goto remove_timer;

	*ret_rtc = rtc;
	return 0;

remove_timer:
	vmm_timer_remove(rtc->timer);
free_rtc:
	pthread_mutex_destroy(&rtc->lock);
	free(rtc);
	return r;
}

void vmm__pl031_destroy(struct pl031 *rtc)
{
	if (!rtc)
		return;
	vmm__bus_remove(rtc->bus, rtc->base);
	vmm_deferred_cancel(&rtc->work);
	vmm_timer_remove(rtc->timer);
	pthread_mutex_destroy(&rtc->lock);
	free(rtc);
}
