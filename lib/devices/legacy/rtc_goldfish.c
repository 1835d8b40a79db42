/* SPDX-License-Identifier: MIT */
/*
 * rtc_goldfish.c - the real time clock of Android's Goldfish machine, as Linux's
 * rtc-goldfish driver knows it ("google,goldfish-rtc").
 *
 * It shows the host's clock in nanoseconds since 1970; what the guest sets is kept as a
 * difference to that. A time is two registers: reading the low half keeps the high one for
 * the next read, and writing the low half takes the high one that was written before.
 * The alarm is a timer on the loop. Its wire is up from then on until the guest says that
 * it has seen it; its deadline follows when the guest sets the clock.
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
#include "devices/legacy/rtc_goldfish_priv.h"

enum {
	REG_TIME_LOW		= 0x00,
	REG_TIME_HIGH		= 0x04,
	REG_ALARM_LOW		= 0x08,
	REG_ALARM_HIGH		= 0x0c,
	REG_IRQ_ENABLED		= 0x10,
	REG_CLEAR_ALARM		= 0x14,
	REG_ALARM_STATUS	= 0x18,
	REG_CLEAR_INTERRUPT	= 0x1c,
};

struct rtc_goldfish {
	struct rtc_goldfish_place place;
	struct vmm_timer *timer;
	struct vmm_deferred rearm;

	pthread_mutex_t lock;		/* of what follows */
	uint64_t difference;		/* the guest's nanoseconds less the host's, modulo 2^64 */
	uint32_t read_high;		/* of the time whose low half was read last */
	uint32_t time_high;		/* written, for the next write of the low half */
	uint32_t alarm_high;
	uint64_t alarm;
	bool armed;
	bool enabled;			/* the interrupt */
	bool pending;
	bool wire;			/* what KVM was told last */
};

static uint64_t clock_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t guest_time(const struct rtc_goldfish *rtc)
{
	return clock_ns(CLOCK_REALTIME) + rtc->difference;
}

/* ---- the alarm ---- */

/* With the lock. */
static void update_wire(struct rtc_goldfish *rtc)
{
	bool level = rtc->pending && rtc->enabled;

	if (level == rtc->wire)
		return;
	rtc->wire = level;
	(void)vmm__irq_set_line(rtc->place.irqs, rtc->place.gsi, level);
}

/* On the loop: raise it if it is due, else set the timer to when it is. */
static void look(struct rtc_goldfish *rtc)
{
	uint64_t now, deadline = 0;

	pthread_mutex_lock(&rtc->lock);
	now = guest_time(rtc);
	if (rtc->armed && rtc->alarm <= now) {
		rtc->armed = false;
		rtc->pending = true;
		update_wire(rtc);
	} else if (rtc->armed && __builtin_add_overflow(clock_ns(CLOCK_MONOTONIC),
							rtc->alarm - now, &deadline)) {
		deadline = UINT64_MAX;	/* never, in effect */
	}
	pthread_mutex_unlock(&rtc->lock);
	vmm_timer_set(rtc->timer, deadline);
}

static void on_timer(void *data)
{
	look(data);
}

static void on_rearm(struct vmm_deferred *deferred)
{
	look((struct rtc_goldfish *)((char *)deferred - offsetof(struct rtc_goldfish, rearm)));
}

/* ---- registers ---- */

static uint32_t reg_read(struct rtc_goldfish *rtc, uint64_t offset)
{
	uint64_t now;

	switch (offset) {
	case REG_TIME_LOW:
		now = guest_time(rtc);
		rtc->read_high = (uint32_t)(now >> 32);
		return (uint32_t)now;
	case REG_TIME_HIGH:
		return rtc->read_high;
	case REG_ALARM_LOW:
		return (uint32_t)rtc->alarm;
	case REG_ALARM_HIGH:
		return (uint32_t)(rtc->alarm >> 32);
	case REG_IRQ_ENABLED:
		return rtc->enabled;
	case REG_ALARM_STATUS:
		return rtc->armed;
	default:
		return 0;
	}
}

static void reg_write(struct rtc_goldfish *rtc, uint64_t offset, uint32_t value)
{
	switch (offset) {
	case REG_TIME_LOW:
		rtc->difference = ((uint64_t)rtc->time_high << 32 | value) - clock_ns(CLOCK_REALTIME);
		vmm_defer(&rtc->rearm);
		break;
	case REG_TIME_HIGH:
		rtc->time_high = value;
		break;
	case REG_ALARM_LOW:
		rtc->alarm = (uint64_t)rtc->alarm_high << 32 | value;
		rtc->armed = true;
		vmm_defer(&rtc->rearm);
		break;
	case REG_ALARM_HIGH:
		rtc->alarm_high = value;
		break;
	case REG_IRQ_ENABLED:
		rtc->enabled = value & 1;
		break;
	case REG_CLEAR_ALARM:
		rtc->armed = false;
		vmm_defer(&rtc->rearm);
		break;
	case REG_CLEAR_INTERRUPT:
		rtc->pending = false;
		break;
	}
	update_wire(rtc);
}

/* Registers are 32 bits wide; anything else is not there. */
static uint64_t goldfish_read(void *state, uint64_t offset, uint32_t width)
{
	struct rtc_goldfish *rtc = state;
	uint32_t value;

	if (width != 4)
		return 0;
	pthread_mutex_lock(&rtc->lock);
	value = reg_read(rtc, offset);
	pthread_mutex_unlock(&rtc->lock);
	return value;
}

static void goldfish_write(void *state, uint64_t offset, uint32_t width, uint64_t value)
{
	struct rtc_goldfish *rtc = state;

	if (width != 4)
		return;
	pthread_mutex_lock(&rtc->lock);
	reg_write(rtc, offset, (uint32_t)value);
	pthread_mutex_unlock(&rtc->lock);
}

static const struct vmm_range_ops goldfish_ops = {
	.size = sizeof(struct vmm_range_ops),
	.name = "rtc-goldfish",
	.read = goldfish_read,
	.write = goldfish_write,
};

/* ---- life ---- */

int vmm__goldfish_create(const struct rtc_goldfish_place *place, struct rtc_goldfish **ret_rtc)
{
	struct rtc_goldfish *rtc = calloc(1, sizeof(*rtc));
	struct bus_range range = {
		.base = place->base, .length = GOLDFISH_LENGTH, .ops = &goldfish_ops, .state = rtc,
	};
	int r;

	if (!rtc)
		return vmm__fail(-ENOMEM, "no memory for the real time clock");
	rtc->place = *place;
	pthread_mutex_init(&rtc->lock, NULL);
	vmm_deferred_init(&rtc->rearm, place->loop, on_rearm);
	r = vmm_loop_add_timer(place->loop, on_timer, rtc, &rtc->timer);
	if (r < 0)
		goto destroy_lock;
	r = vmm__bus_add(place->bus, &range);
	if (r < 0)
		goto remove_timer;

	*ret_rtc = rtc;
	return 0;

remove_timer:
	vmm_timer_remove(rtc->timer);
destroy_lock:
	pthread_mutex_destroy(&rtc->lock);
	free(rtc);
	return r;
}

void vmm__goldfish_destroy(struct rtc_goldfish *rtc)
{
	if (!rtc)
		return;
	vmm__bus_remove(rtc->place.bus, rtc->place.base);
	vmm_deferred_cancel(&rtc->rearm);
	vmm_timer_remove(rtc->timer);
	pthread_mutex_destroy(&rtc->lock);
	free(rtc);
}

void vmm__goldfish_reset(struct rtc_goldfish *rtc)
{
	pthread_mutex_lock(&rtc->lock);
	rtc->armed = rtc->enabled = rtc->pending = false;
	rtc->alarm = 0;
	rtc->read_high = rtc->time_high = rtc->alarm_high = 0;
	update_wire(rtc);
	pthread_mutex_unlock(&rtc->lock);
	vmm_defer(&rtc->rearm);
}
