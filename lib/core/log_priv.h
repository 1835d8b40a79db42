/* SPDX-License-Identifier: MIT */
/* log_priv.h - remarks for the application's log, each kind a bounded number of times. */
#ifndef CORE_LOG_PRIV_H
#define CORE_LOG_PRIV_H

#include <libvmm/log.h>

#define LOG_KINDS	16

struct log {
	struct vmm *vm;
	vmm_log_fn fn;
	void *data;
	uint32_t level;
	uint32_t said[LOG_KINDS];	/* atomic: remarks of each kind so far */
};

/* What a guest can cause; each of these is said LOG_TIMES times at most. */
enum log_kind {
	LOG_FREE	= 0,	/* not caused by a guest at will: no bound */
	LOG_PORT	= 1,	/* a port that nothing answers */
	LOG_MMIO	= 2,	/* an address that nothing answers */
	LOG_BROKEN	= 3,	/* a broken device */
};
#define LOG_TIMES	8

void vmm__log(struct log *log, enum log_kind kind, uint32_t level, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#endif
