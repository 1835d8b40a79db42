/* SPDX-License-Identifier: MIT */
/*
 * <libvmm/version.h> - which libvmm this is, when compiled and when run.
 */
#ifndef LIBVMM_VERSION_H
#define LIBVMM_VERSION_H

#include <libvmm/common.h>

#define VMM_VERSION_MAJOR	0
#define VMM_VERSION_MINOR	1
#define VMM_VERSION_PATCH	0

/* Raised on every break of the binary interface; see docs/abi.md. */
#define VMM_SOVERSION		0

#ifdef __cplusplus
extern "C" {
#endif

/** The version of the library in use, as MAJOR << 16 | MINOR << 8 | PATCH. */
VMM_API uint32_t vmm_version(void);

#ifdef __cplusplus
}
#endif
#endif
