/* SPDX-License-Identifier: MIT */
/*
 * trace_priv.h - static trace points (USDT): a no-op instruction each, until a tracer puts
 * a breakpoint there. docs/observing.md lists them.
 */
#ifndef CORE_TRACE_PRIV_H
#define CORE_TRACE_PRIV_H

#ifdef HAVE_SDT
#include <sys/sdt.h>
#define TRACE2(name, a, b)	DTRACE_PROBE2(libvmm, name, a, b)
#define TRACE3(name, a, b, c)	DTRACE_PROBE3(libvmm, name, a, b, c)
#else
#define TRACE2(name, a, b)	do { (void)(a); (void)(b); } while (0)
#define TRACE3(name, a, b, c)	do { (void)(a); (void)(b); (void)(c); } while (0)
#endif

#endif
