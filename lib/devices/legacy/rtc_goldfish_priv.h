/* SPDX-License-Identifier: MIT */
/* rtc_goldfish_priv.h - the Goldfish real time clock: nanoseconds, with an alarm. */
#ifndef DEVICES_LEGACY_RTC_GOLDFISH_PRIV_H
#define DEVICES_LEGACY_RTC_GOLDFISH_PRIV_H

#include <stdint.h>

#define GOLDFISH_LENGTH	0x20u

struct bus;
struct irqs;
struct rtc_goldfish;
struct vmm_loop;

struct rtc_goldfish_place {
	struct bus *bus;
	uint64_t base;
	struct irqs *irqs;
	uint32_t gsi;		/* level triggered */
	struct vmm_loop *loop;
};

/* It shows the host's time until it is set. */
int vmm__goldfish_create(const struct rtc_goldfish_place *place, struct rtc_goldfish **ret_rtc);

/* With the loop's callbacks kept away. NULL is allowed. */
void vmm__goldfish_destroy(struct rtc_goldfish *rtc);

/* What a reset changes: not the time. */
void vmm__goldfish_reset(struct rtc_goldfish *rtc);

#endif
