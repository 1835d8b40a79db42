/* SPDX-License-Identifier: MIT */
/*
 * session_priv.h - a conversation with gdb: packets in, answers out, and a target in between.
 *
 * The session knows neither sockets nor guests. Whoever owns it feeds bytes while there is no
 * answer left to send, and tells when the target has stopped.
 */
#ifndef DEBUG_SESSION_PRIV_H
#define DEBUG_SESSION_PRIV_H

#include "arch/arch_debug_priv.h"
#include "debug/packet_priv.h"

#define THREADS_MAX	255u

enum thread_action { THREAD_STAYS, THREAD_RUNS, THREAD_STEPS };

/* What a session asks of its target, which is stopped in all of these but interrupt(). -errno. */
struct target_ops {
	int (*read_regs)(void *target, uint32_t thread, uint8_t *ret_block);
	int (*write_regs)(void *target, uint32_t thread, const uint8_t *block);
	/* Bytes, which may be fewer than @len. */
	int (*read)(void *target, uint32_t thread, uint64_t address, void *dst, size_t len);
	int (*write)(void *target, uint32_t thread, uint64_t address, const void *src, size_t len);
	int (*insert)(void *target, uint32_t thread, const struct arch_watch *watch);
	int (*remove)(void *target, const struct arch_watch *watch);
	int (*run)(void *target, const uint8_t *actions);
	void (*interrupt)(void *target);
	/* The session is over: afterwards it is fed no more. */
	void (*detach)(void *target);
	void (*kill)(void *target);
};

struct session {
	const struct target_ops *ops;
	void *target;
	const struct arch_gdb *arch;
	uint32_t nr_threads;

	struct packet_in in;
	struct packet_out out;		/* the last answer */
	bool answered;			/* it is to be sent */
	bool no_ack;			/* agreed, after the acknowledgement of that very packet */
	bool no_ack_next;
	bool acknowledge;		/* a + (or, with refused, a -) goes before the answer */
	bool refused;
	bool running;
	bool over;
	bool swbreak, hwbreak;		/* gdb understands these words */
	uint32_t thread;		/* of g, m, …; from 0 */
	uint32_t stopped;		/* the one that stopped last */
	char why[64];			/* the stop's words after the signal */
	uint32_t signal;
	uint8_t actions[THREADS_MAX];
	uint8_t block[ARCH_GDB_BLOCK_MAX];
	uint8_t data[PACKET_MAX];
};

/* The target is stopped to begin with. */
void vmm__session_init(struct session *s, const struct target_ops *ops, void *target,
		       uint32_t nr_threads);

/* Take @len bytes, or fewer: up to the first that is answered. Returns how many. */
size_t vmm__session_feed(struct session *s, const void *bytes, size_t len);

/* Copy what is to be sent, all of it, at most SESSION_SEND_MAX bytes. Returns how much. */
#define SESSION_SEND_MAX	(PACKET_MAX + 16u)
size_t vmm__session_take(struct session *s, char *ret_bytes);

/* Why a target that ran has stopped. */
enum session_stop { STOP_INTERRUPTED, STOP_STEP, STOP_SOFTWARE, STOP_HARDWARE, STOP_WATCH, STOP_CRASHED };

/* @watch for STOP_WATCH. */
void vmm__session_stopped(struct session *s, uint32_t thread, enum session_stop why,
			  const struct arch_watch *watch);

/* It is gone. @signal 0: it ended on its own. */
void vmm__session_exited(struct session *s, uint32_t signal);

#endif
