/* SPDX-License-Identifier: MIT */
/* ioevent_priv.h - a guest's write to an address signals an eventfd, without an exit. */
#ifndef CORE_IOEVENT_PRIV_H
#define CORE_IOEVENT_PRIV_H

#include <stdbool.h>
#include <stdint.h>

struct ioevent {
	uint64_t address;
	uint32_t width;		/* 0: any (no datamatch then) */
	bool port;
	bool match;		/* only writes of @value */
	uint64_t value;
	int fd;
};

int vmm__ioevent_assign(int vm_fd, const struct ioevent *event);
int vmm__ioevent_deassign(int vm_fd, const struct ioevent *event);

#endif
