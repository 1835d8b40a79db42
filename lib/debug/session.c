/* SPDX-License-Identifier: MIT */
/*
 * session.c - a conversation with gdb: bytes in and out, and which command is whose.
 *
 * Every number is read from a packet that has been copied and ends with a NUL; what is not
 * understood gets the empty answer, which gdb takes for "not supported".
 */
#include <errno.h>
#include <string.h>

#include "debug/session_parts_priv.h"

#define SIGNAL_INT	2
#define SIGNAL_TRAP	5
#define SIGNAL_ABRT	6

void vmm__session_init(struct session *s, const struct target_ops *ops, void *target,
		       uint32_t nr_threads)
{
	memset(s, 0, sizeof(*s));
	s->ops = ops;
	s->target = target;
	s->arch = vmm__arch_gdb();
	s->nr_threads = nr_threads < THREADS_MAX ? nr_threads : THREADS_MAX;
	s->signal = SIGNAL_TRAP;
}

static void choose_thread(struct session *s, const char *p)
{
	uint32_t thread;
	char what = *p;

	if (what == '\0' || (p++, !vmm__session_thread(s, &p, &thread))) {
		vmm__session_result(s, -EINVAL);
		return;
	}
	/* Hc says who goes on, for commands that are older than vCont. */
	s->thread = thread;
	vmm__session_say(s, "OK");
}

static void multi(struct session *s, const char *p)
{
	if (strncmp(p, "vCont?", 6) == 0) {
		vmm__session_say(s, "vCont;c;C;s;S");
	} else if (strncmp(p, "vCont", 5) == 0) {
		vmm__session_vcont(s, p + 5);
	} else if (strncmp(p, "vKill", 5) == 0) {
		vmm__session_say(s, "OK");
		s->over = true;
		s->ops->kill(s->target);
	} else {
		vmm__session_say(s, "");
	}
}

static void command(struct session *s)
{
	const char *p = s->in.bytes;
	uint32_t thread;

	switch (*p) {
	case '?':
		vmm__session_stop(s);
		break;
	case 'g':
		vmm__session_read_all_regs(s);
		break;
	case 'G':
		vmm__session_write_all_regs(s, p + 1);
		break;
	case 'p':
		vmm__session_read_reg(s, p + 1);
		break;
	case 'P':
		vmm__session_write_reg(s, p + 1);
		break;
	case 'm':
		vmm__session_read_memory(s, p + 1);
		break;
	case 'M':
		vmm__session_write_memory(s, p + 1);
		break;
	case 'X':
		vmm__session_write_binary(s, p + 1);
		break;
	case 'Z':
	case 'z':
		vmm__session_breakpoint(s, p + 1, *p == 'Z');
		break;
	case 'c':
	case 'C':
	case 's':
	case 'S':
		vmm__session_go_on(s, p);
		break;
	case 'H':
		choose_thread(s, p + 1);
		break;
	case 'T':
		p++;
		vmm__session_result(s, vmm__session_thread(s, &p, &thread) ? 0 : -EINVAL);
		break;
	case 'q':
		vmm__session_question(s, p);
		break;
	case 'Q':
		s->no_ack_next = strcmp(p, "QStartNoAckMode") == 0;
		vmm__session_say(s, s->no_ack_next ? "OK" : "");
		break;
	case 'v':
		multi(s, p);
		break;
	case 'D':
		vmm__session_say(s, "OK");
		s->over = true;
		s->ops->detach(s->target);
		break;
	case 'k':
		s->over = true;
		s->ops->kill(s->target);
		break;
	default:
		vmm__session_say(s, "");
	}
}

/* ---- bytes in and out ---- */

static void event(struct session *s, enum packet_event e)
{
	switch (e) {
	case PACKET_WHOLE:
		s->acknowledge = !s->no_ack;
		/* A target that runs answers nothing but an interrupt. */
		if (!s->running)
			command(s);
		break;
	case PACKET_BAD:
		s->acknowledge = s->refused = !s->no_ack;
		break;
	case PACKET_BREAK:
		if (s->running)
			s->ops->interrupt(s->target);
		break;
	case PACKET_NACK:
		s->answered = !s->no_ack && s->out.len > 0;
		break;
	default:
		break;
	}
}

size_t vmm__session_feed(struct session *s, const void *bytes, size_t len)
{
	const uint8_t *from = bytes;
	size_t n = 0;

	while (n < len && !s->answered && !s->acknowledge && !s->over)
		event(s, vmm__packet_take(&s->in, from[n++]));
	return n;
}

size_t vmm__session_take(struct session *s, char *ret_bytes)
{
	size_t n = 0;

	if (s->acknowledge)
		ret_bytes[n++] = s->refused ? '-' : '+';
	if (s->answered) {
		memcpy(ret_bytes + n, s->out.bytes, s->out.len);
		n += s->out.len;
	}
	s->no_ack |= s->no_ack_next;
	s->no_ack_next = s->acknowledge = s->refused = s->answered = false;
	return n;
}

void vmm__session_stopped(struct session *s, uint32_t thread, enum session_stop why,
			  const struct arch_watch *watch)
{
	static const char digits[] = "0123456789abcdef";
	char *p = s->why;

	s->stopped = s->thread = thread;
	s->signal = why == STOP_INTERRUPTED ? SIGNAL_INT : why == STOP_CRASHED ? SIGNAL_ABRT : SIGNAL_TRAP;
	s->why[0] = '\0';
	if (why == STOP_SOFTWARE && s->swbreak)
		strcpy(s->why, "swbreak:;");
	if (why == STOP_HARDWARE && s->hwbreak)
		strcpy(s->why, "hwbreak:;");
	if (why == STOP_WATCH) {
		strcpy(s->why, watch->kind == ARCH_WATCH_WRITE ? "watch:" : "awatch:");
		p += strlen(p);
		for (int shift = 60; shift >= 0; shift -= 4)
			*p++ = digits[watch->address >> shift & 15];
		strcpy(p, ";");
	}
	if (s->running)
		vmm__session_stop(s);
	s->running = false;
}

void vmm__session_exited(struct session *s, uint32_t signal)
{
	vmm__packet_begin(&s->out);
	vmm__packet_text(&s->out, "%c%02x", signal ? 'X' : 'W', signal);
	vmm__packet_end(&s->out);
	s->answered = true;
	s->running = false;
	s->over = true;
}
