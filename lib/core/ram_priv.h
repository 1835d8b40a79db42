/* SPDX-License-Identifier: MIT */
/* ram_priv.h - the host memory behind a guest's RAM. */
#ifndef CORE_RAM_PRIV_H
#define CORE_RAM_PRIV_H

#include <stdbool.h>
#include <stdint.h>
#include <libvmm/vmm.h>

struct ram {
	unsigned char *host;	/* one mapping; regions of guest memory are slices of it */
	uint64_t bytes;
	uint64_t page_bytes;	/* a power of two; the mapping is aligned to it */
	uint32_t kind;		/* enum vmm_ram_kind */
	int fd;			/* -1: anonymous */
	uint64_t fd_offset;
};

/* @config was copied; its ram_ fields are checked here. */
int vmm__ram_init(struct ram *ram, const struct vmm_config *config);
void vmm__ram_finish(struct ram *ram);

/* All zeros again, as after power on; gives the memory back to the host. */
int vmm__ram_clear(struct ram *ram);

/*
 * Give [host, host + len), whole pages of @ram (NULL: private memory), back. False: it
 * stays as it is.
 */
bool vmm__ram_discard(const struct ram *ram, unsigned char *host, uint64_t len);

#endif
