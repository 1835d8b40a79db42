/* SPDX-License-Identifier: MIT */
/*
 * <libvmm/log.h> - remarks about a guest, for the application's log.
 *
 * The library never prints. What it has to say about a guest's behaviour goes
 * to the function given in struct vmm_config; a guest cannot flood it: each
 * kind of remark is made a bounded number of times.
 */
#ifndef LIBVMM_LOG_H
#define LIBVMM_LOG_H

#include <libvmm/common.h>

#ifdef __cplusplus
extern "C" {
#endif

enum vmm_log_level {
	VMM_LOG_DEFAULT	= 0,
	VMM_LOG_ERROR	= 1,
	VMM_LOG_WARNING	= 2,
	VMM_LOG_INFO	= 3,
	VMM_LOG_DEBUG	= 4,
};

/**
 * Take one remark. @message is one line, without a newline, lent during the
 * call. Called from any of the library's threads and from the caller's own
 * during calls: it must not block for long nor call back into @vm.
 */
typedef void (*vmm_log_fn)(void *data, struct vmm *vm, uint32_t level, const char *message);

#ifdef __cplusplus
}
#endif
#endif
