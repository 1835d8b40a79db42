/* SPDX-License-Identifier: MIT */
/*
 * rtc_cmos.c - the PC's real time clock and its battery-backed memory (Motorola MC146818).
 *
 * It shows the host's clock, and what the guest sets is kept as a difference to
 * that. Alarms, periodic interrupts and the square wave do nothing: systems that
 * find ACPI do not use them, and the interrupt is not wired.
 */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "bus/bus_priv.h"
#include "core/error_priv.h"
#include "devices/legacy/rtc_cmos_priv.h"

enum {
	REG_SECONDS	= 0,
	REG_MINUTES	= 2,
	REG_HOURS	= 4,
	REG_WEEKDAY	= 6,	/* 1: Sunday */
	REG_DAY		= 7,
	REG_MONTH	= 8,
	REG_YEAR	= 9,
	REG_A		= 10,
	REG_B		= 11,
	REG_C		= 12,	/* interrupts that came: none */
	REG_D		= 13,
	NR_REGS		= 128,
};

enum {
	A_UPDATE	= 1 << 7,	/* the time is about to change */
	A_DIVIDER	= 0x26,		/* 32768 Hz, 1024 Hz: as firmware leaves it */
	B_SET		= 1 << 7,	/* the guest holds the time to set it */
	B_BINARY	= 1 << 2,
	B_24_HOURS	= 1 << 1,
	D_VALID		= 1 << 7,	/* the battery is well */
	HOUR_PM		= 1 << 7,
};

/* From when on in a second A_UPDATE is set: a guest that saw it clear has this long to read. */
#define UPDATE_NS	244000

struct rtc_cmos {
	struct bus *ports;
	uint16_t base;
	pthread_mutex_t lock;	/* of what follows */
	uint8_t index;
	int64_t difference;	/* the guest's seconds less the host's */
	/* Time registers hold what the guest writes while B_SET is on, and are stale otherwise. */
	uint8_t regs[NR_REGS];
};

static bool is_time(uint8_t index)
{
	return index == REG_SECONDS || index == REG_MINUTES || index == REG_HOURS ||
	       (index >= REG_WEEKDAY && index <= REG_YEAR) || index == RTC_CENTURY;
}

/* ---- between a time and its registers ---- */

static uint8_t encode(const struct rtc_cmos *rtc, int value)
{
	/* The guest may have set the clock so far back that its years are negative. */
	value = (value % 100 + 100) % 100;
	if (rtc->regs[REG_B] & B_BINARY)
		return (uint8_t)value;
	return (uint8_t)(value / 10 % 10 << 4 | value % 10);
}

static int decode(const struct rtc_cmos *rtc, uint8_t value)
{
	if (rtc->regs[REG_B] & B_BINARY)
		return value;
	return (value >> 4) * 10 + (value & 15);
}

static void time_to_regs(struct rtc_cmos *rtc, int64_t seconds)
{
	time_t t = (time_t)seconds;
	struct tm tm;
	int year;
	uint8_t pm = 0;

	if (!gmtime_r(&t, &tm))
		return;

	/* Nonsense that was set can lie before year 0. */
	year = tm.tm_year + 1900 > 0 ? tm.tm_year + 1900 : 0;
	if (!(rtc->regs[REG_B] & B_24_HOURS)) {
		pm = tm.tm_hour >= 12 ? HOUR_PM : 0;
		tm.tm_hour = (tm.tm_hour + 11) % 12 + 1;
	}
	rtc->regs[REG_SECONDS] = encode(rtc, tm.tm_sec);
	rtc->regs[REG_MINUTES] = encode(rtc, tm.tm_min);
	rtc->regs[REG_HOURS] = encode(rtc, tm.tm_hour) | pm;
	rtc->regs[REG_WEEKDAY] = encode(rtc, tm.tm_wday + 1);
	rtc->regs[REG_DAY] = encode(rtc, tm.tm_mday);
	rtc->regs[REG_MONTH] = encode(rtc, tm.tm_mon + 1);
	rtc->regs[REG_YEAR] = encode(rtc, year % 100);
	rtc->regs[RTC_CENTURY] = encode(rtc, year / 100);
}

/* What the registers say. Nonsense in them makes some time or other. */
static int64_t regs_to_time(const struct rtc_cmos *rtc)
{
	uint8_t hours = rtc->regs[REG_HOURS];
	struct tm tm = {
		.tm_sec = decode(rtc, rtc->regs[REG_SECONDS]),
		.tm_min = decode(rtc, rtc->regs[REG_MINUTES]),
		.tm_hour = decode(rtc, hours),
		.tm_mday = decode(rtc, rtc->regs[REG_DAY]),
		.tm_mon = decode(rtc, rtc->regs[REG_MONTH]) - 1,
		.tm_year = decode(rtc, rtc->regs[RTC_CENTURY]) * 100 - 1900 +
			   decode(rtc, rtc->regs[REG_YEAR]),
	};

	if (!(rtc->regs[REG_B] & B_24_HOURS))
		tm.tm_hour = decode(rtc, hours & ~HOUR_PM) % 12 + (hours & HOUR_PM ? 12 : 0);

	return timegm(&tm);
}

static void host_time(struct timespec *ret_now)
{
	clock_gettime(CLOCK_REALTIME, ret_now);
}

static void time_fetch(struct rtc_cmos *rtc)
{
	struct timespec now;

	host_time(&now);
	time_to_regs(rtc, now.tv_sec + rtc->difference);
}

static void time_store(struct rtc_cmos *rtc)
{
	struct timespec now;

	host_time(&now);
	rtc->difference = regs_to_time(rtc) - now.tv_sec;
}

/* ---- registers ---- */

static uint8_t reg_read(struct rtc_cmos *rtc)
{
	bool held = rtc->regs[REG_B] & B_SET;
	struct timespec now;

	if (is_time(rtc->index) && !held)
		time_fetch(rtc);

	switch (rtc->index) {
	case REG_A:
		host_time(&now);
		if (!held && now.tv_nsec >= 1000000000 - UPDATE_NS)
			return rtc->regs[REG_A] | A_UPDATE;
		return rtc->regs[REG_A];
	case REG_C:
		return 0;
	case REG_D:
		return D_VALID;
	default:
		return rtc->regs[rtc->index];
	}
}

static void reg_b_write(struct rtc_cmos *rtc, uint8_t value)
{
	bool was_held = rtc->regs[REG_B] & B_SET;

	/* The format of what the guest wrote is the one that is on when it lets go. */
	rtc->regs[REG_B] = value;
	if (!was_held && (value & B_SET))
		time_fetch(rtc);
	else if (was_held && !(value & B_SET))
		time_store(rtc);
}

static void reg_write(struct rtc_cmos *rtc, uint8_t value)
{
	switch (rtc->index) {
	case REG_A:
		rtc->regs[REG_A] = value & (uint8_t)~A_UPDATE;
		break;
	case REG_B:
		reg_b_write(rtc, value);
		break;
	case REG_C:
	case REG_D:
		break;
	default:
		if (is_time(rtc->index) && !(rtc->regs[REG_B] & B_SET)) {
			time_fetch(rtc);
			rtc->regs[rtc->index] = value;
			time_store(rtc);
		} else {
			rtc->regs[rtc->index] = value;
		}
	}
}

/* ---- ports; a wide access is several of a byte each, as on an ISA bus ---- */

static uint64_t rtc_read(void *state, uint64_t offset, uint32_t width)
{
	struct rtc_cmos *rtc = state;
	uint64_t value = 0;

	pthread_mutex_lock(&rtc->lock);
	for (uint32_t i = 0; i < width; i++) {
		uint8_t byte = offset + i == 0 ? 0xff : reg_read(rtc);

		value |= (uint64_t)byte << 8 * i;
	}
	pthread_mutex_unlock(&rtc->lock);

	return value;
}

static void rtc_write(void *state, uint64_t offset, uint32_t width, uint64_t value)
{
	struct rtc_cmos *rtc = state;

	pthread_mutex_lock(&rtc->lock);
	for (uint32_t i = 0; i < width; i++) {
		uint8_t byte = (uint8_t)(value >> 8 * i);

		if (offset + i == 0)
			rtc->index = byte & (NR_REGS - 1);	/* bit 7 masks NMIs */
		else
			reg_write(rtc, byte);
	}
	pthread_mutex_unlock(&rtc->lock);
}

static const struct vmm_range_ops rtc_ops = {
	.size = sizeof(struct vmm_range_ops),
	.name = "rtc-cmos",
	.read = rtc_read,
	.write = rtc_write,
};

int vmm__rtc_create(struct bus *ports, uint16_t base, struct rtc_cmos **ret_rtc)
{
	struct rtc_cmos *rtc = calloc(1, sizeof(*rtc));
	struct bus_range range = { .base = base, .length = 2, .ops = &rtc_ops, .state = rtc };
	int r;

	if (!rtc)
		return vmm__fail(-ENOMEM, "no memory for the real time clock");

	rtc->ports = ports;
	rtc->base = base;
	rtc->regs[REG_A] = A_DIVIDER;
	rtc->regs[REG_B] = B_24_HOURS;
	pthread_mutex_init(&rtc->lock, NULL);
	r = vmm__bus_add(ports, &range);
	if (r < 0)
		goto destroy_lock;

	*ret_rtc = rtc;
	return 0;

destroy_lock:
	pthread_mutex_destroy(&rtc->lock);
	free(rtc);
	return r;
}

void vmm__rtc_destroy(struct rtc_cmos *rtc)
{
	if (!rtc)
		return;

	vmm__bus_remove(rtc->ports, rtc->base);
	pthread_mutex_destroy(&rtc->lock);
	free(rtc);
}

void vmm__rtc_reset(struct rtc_cmos *rtc)
{
	pthread_mutex_lock(&rtc->lock);
	if (rtc->regs[REG_B] & B_SET)
		time_store(rtc);
	rtc->regs[REG_A] = A_DIVIDER;
	rtc->regs[REG_B] = B_24_HOURS;
	rtc->index = 0;
	pthread_mutex_unlock(&rtc->lock);
}
