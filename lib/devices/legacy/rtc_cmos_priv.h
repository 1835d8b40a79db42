/* SPDX-License-Identifier: MIT */
/* rtc_cmos_priv.h - the PC's real time clock and its battery-backed memory. */
#ifndef DEVICES_LEGACY_RTC_CMOS_PRIV_H
#define DEVICES_LEGACY_RTC_CMOS_PRIV_H

#include <stdint.h>
#include <time.h>

#define RTC_CENTURY	0x32	/* register, as the FADT tells */

struct bus;
struct rtc_cmos;

/* Index port @base, data port @base + 1. It shows the host's time, in UTC, until it is set. */
int vmm__rtc_create(struct bus *ports, uint16_t base, struct rtc_cmos **ret_rtc);
void vmm__rtc_destroy(struct rtc_cmos *rtc);

/* What a reset changes: not the time, nor the memory. */
void vmm__rtc_reset(struct rtc_cmos *rtc);

#endif
