/* SPDX-License-Identifier: MIT */
/* log.c - the application's log callback, out of a guest's power to flood. */
#include <stdarg.h>
#include <stdio.h>

#include "core/log_priv.h"

void vmm__log(struct log *log, enum log_kind kind, uint32_t level, const char *format, ...)
{
	char message[256];
	va_list args;

	if (!log->fn || level > log->level)
		return;
	if (kind != LOG_FREE) {
		/* Looked at first, so that the count cannot be made to wrap. */
		if (__atomic_load_n(&log->said[kind], __ATOMIC_RELAXED) >= LOG_TIMES ||
		    __atomic_fetch_add(&log->said[kind], 1, __ATOMIC_RELAXED) >= LOG_TIMES)
			return;
	}

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	log->fn(log->data, log->vm, level, message);
}
