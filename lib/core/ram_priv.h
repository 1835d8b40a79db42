/* SPDX-License-Identifier: MIT */
/* ram_priv.h - the host memory behind a guest's RAM. */
#ifndef CORE_RAM_PRIV_H
#define CORE_RAM_PRIV_H

#include <stdint.h>
#include <libvmm/vmm.h>

struct ram {
	unsigned char *host;	/* one mapping; regions of guest memory are slices of it */
	uint64_t bytes;
	uint32_t kind;		/* enum vmm_ram_kind */
	int fd;			/* -1: anonymous */
	uint64_t fd_offset;
};

/* @config was copied; its ram_ fields are checked here. */
int vmm__ram_init(struct ram *ram, const struct vmm_config *config);
void vmm__ram_finish(struct ram *ram);

/* All zeros again, as after power on; gives the memory back to the host. */
int vmm__ram_clear(struct ram *ram);

#endif
