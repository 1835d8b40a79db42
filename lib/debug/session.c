/* SPDX-License-Identifier: MIT */
/*
 * session.c - gdb's commands.
 *
 * Every number is read from a packet that has been copied and ends with a NUL; what is not
 * understood gets the empty answer, which gdb takes for "not supported".
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "debug/session_priv.h"

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

/* ---- answers ---- */

static void answer(struct session *s, const char *text)
{
	vmm__packet_begin(&s->out);
	vmm__packet_text(&s->out, "%s", text);
	vmm__packet_end(&s->out);
	s->answered = true;
}

static void answer_result(struct session *s, int r)
{
	vmm__packet_begin(&s->out);
	if (r < 0)
		vmm__packet_text(&s->out, "E%02x", (unsigned)-r & 0xff);
	else
		vmm__packet_text(&s->out, "OK");
	vmm__packet_end(&s->out);
	s->answered = true;
}

static void answer_stop(struct session *s)
{
	vmm__packet_begin(&s->out);
	vmm__packet_text(&s->out, "T%02x%sthread:%x;", s->signal, s->why, s->stopped + 1);
	vmm__packet_end(&s->out);
	s->answered = true;
}

/* ---- numbers ---- */

/* A hexadecimal number at *@p, which is moved behind it. */
static bool hex_number(const char **p, uint64_t *ret_value)
{
	char *end;

	if (!strchr("0123456789abcdefABCDEF", **p) || !**p)
		return false;
	*ret_value = strtoull(*p, &end, 16);
	*p = end;
	return true;
}

/* The same, and the character that follows. */
static bool hex_then(const char **p, uint64_t *ret_value, char then)
{
	if (!hex_number(p, ret_value) || **p != then)
		return false;
	if (then)
		++*p;
	return true;
}

/* A thread's number as gdb has them: from 1 on; 0 and -1 stand for any. */
static bool thread_number(struct session *s, const char **p, uint32_t *ret_thread)
{
	uint64_t n;

	if (strncmp(*p, "-1", 2) == 0) {
		*p += 2;
		*ret_thread = s->stopped;
		return true;
	}
	if (!hex_number(p, &n) || n > s->nr_threads)
		return false;
	*ret_thread = n == 0 ? s->stopped : (uint32_t)n - 1;
	return true;
}

/* ---- registers and memory ---- */

static void read_all_regs(struct session *s)
{
	int r = s->ops->read_regs(s->target, s->thread, s->block);

	if (r < 0) {
		answer_result(s, r);
		return;
	}
	vmm__packet_begin(&s->out);
	vmm__packet_hex(&s->out, s->block, s->arch->block_bytes);
	vmm__packet_end(&s->out);
	s->answered = true;
}

static void write_all_regs(struct session *s, const char *p)
{
	if (strlen(p) != 2 * s->arch->block_bytes ||
	    !vmm__packet_from_hex(p, s->block, s->arch->block_bytes))
		answer_result(s, -EINVAL);
	else
		answer_result(s, s->ops->write_regs(s->target, s->thread, s->block));
}

static void read_reg(struct session *s, const char *p)
{
	uint32_t offset, bytes;
	uint64_t n;
	int r;

	if (!hex_then(&p, &n, '\0') || n > UINT32_MAX ||
	    !vmm__arch_gdb_place((uint32_t)n, &offset, &bytes)) {
		answer_result(s, -EINVAL);
		return;
	}
	r = s->ops->read_regs(s->target, s->thread, s->block);
	if (r < 0) {
		answer_result(s, r);
		return;
	}
	vmm__packet_begin(&s->out);
	vmm__packet_hex(&s->out, s->block + offset, bytes);
	vmm__packet_end(&s->out);
	s->answered = true;
}

static void write_reg(struct session *s, const char *p)
{
	uint32_t offset, bytes;
	uint64_t n;
	int r = -EINVAL;

	if (hex_then(&p, &n, '=') && n <= UINT32_MAX &&
	    vmm__arch_gdb_place((uint32_t)n, &offset, &bytes) && strlen(p) == 2 * bytes) {
		r = s->ops->read_regs(s->target, s->thread, s->block);
		if (r == 0 && !vmm__packet_from_hex(p, s->block + offset, bytes))
			r = -EINVAL;
		if (r == 0)
			r = s->ops->write_regs(s->target, s->thread, s->block);
	}
	answer_result(s, r);
}

static void read_memory(struct session *s, const char *p)
{
	uint64_t address, len;
	int r;

	if (!hex_then(&p, &address, ',') || !hex_then(&p, &len, '\0')) {
		answer_result(s, -EINVAL);
		return;
	}
	if (len > PACKET_MAX / 2)
		len = PACKET_MAX / 2;
	r = s->ops->read(s->target, s->thread, address, s->data, (size_t)len);
	if (r < 0) {
		answer_result(s, r);
		return;
	}
	vmm__packet_begin(&s->out);
	vmm__packet_hex(&s->out, s->data, (size_t)r);
	vmm__packet_end(&s->out);
	s->answered = true;
}

static void write_bytes(struct session *s, uint64_t address, const void *bytes, uint64_t len)
{
	int r = len ? s->ops->write(s->target, s->thread, address, bytes, (size_t)len) : 0;

	answer_result(s, r < 0 ? r : (uint64_t)r < len ? -EFAULT : 0);
}

static void write_memory(struct session *s, const char *p)
{
	uint64_t address, len;

	if (!hex_then(&p, &address, ',') || !hex_then(&p, &len, ':') || len > sizeof(s->data) ||
	    strlen(p) != 2 * len || !vmm__packet_from_hex(p, s->data, (size_t)len))
		answer_result(s, -EINVAL);
	else
		write_bytes(s, address, s->data, len);
}

/* Binary: the data may hold a NUL, so its length is that of the packet. */
static void write_binary(struct session *s, const char *p)
{
	uint64_t address, len;
	size_t left;

	if (!hex_then(&p, &address, ',') || !hex_then(&p, &len, ':')) {
		answer_result(s, -EINVAL);
		return;
	}
	left = s->in.len - (size_t)(p - s->in.bytes);
	memcpy(s->data, p, left);
	if (vmm__packet_unescape((char *)s->data, left) != len)
		answer_result(s, -EINVAL);
	else
		write_bytes(s, address, s->data, len);
}

/* ---- breakpoints ---- */

static void breakpoint(struct session *s, const char *p, bool insert)
{
	static const uint32_t kinds[] = {
		ARCH_WATCH_NONE, ARCH_WATCH_EXEC, ARCH_WATCH_WRITE, ARCH_WATCH_NONE, ARCH_WATCH_ACCESS,
	};
	struct arch_watch watch;
	uint64_t type, bytes;

	if (!hex_then(&p, &type, ',') || !hex_then(&p, &watch.address, ',') || !hex_number(&p, &bytes) ||
	    bytes > UINT32_MAX) {
		answer_result(s, -EINVAL);
		return;
	}
	/* Watching reads alone (3) is not possible; conditions are gdb's business. */
	if (type > 4 || type == 3) {
		answer(s, "");
		return;
	}
	watch.kind = kinds[type];
	watch.bytes = (uint32_t)bytes;
	answer_result(s, insert ? s->ops->insert(s->target, s->thread, &watch)
				: s->ops->remove(s->target, &watch));
}

/* ---- going on ---- */

static void run(struct session *s)
{
	int r = s->ops->run(s->target, s->actions);

	if (r < 0)
		answer_result(s, r);
	else
		s->running = true;
}

static bool action_of(char c, uint8_t *ret_action)
{
	*ret_action = c == 's' || c == 'S' ? THREAD_STEPS : THREAD_RUNS;
	return c != '\0' && strchr("cCsS", c);
}

/* vCont;action[:thread];…: the first that names a thread counts for it. */
static void vcont(struct session *s, const char *p)
{
	bool named[THREADS_MAX] = { false };
	uint64_t signal;
	uint8_t action;
	uint32_t thread = 0;

	memset(s->actions, THREAD_STAYS, sizeof(s->actions));
	while (*p == ';') {
		bool signalled = p[1] == 'C' || p[1] == 'S', all = true;

		if (!action_of(p[1], &action)) {
			answer_result(s, -EINVAL);
			return;
		}
		p += 2;
		if (signalled && !hex_number(&p, &signal))
			break;
		if (*p == ':') {
			p++;
			all = strncmp(p, "-1", 2) == 0;
			if (!thread_number(s, &p, &thread))
				break;
		}
		for (uint32_t i = 0; i < s->nr_threads; i++) {
			if ((all || i == thread) && !named[i]) {
				named[i] = true;
				s->actions[i] = action;
			}
		}
	}
	if (*p != '\0' || !memchr(named, true, sizeof(named)))
		answer_result(s, -EINVAL);
	else
		run(s);
}

/* c, s, C, S: one thread steps, or all run. An address to go on from is not supported. */
static void go_on(struct session *s, const char *p)
{
	uint8_t action;

	(void)action_of(p[0], &action);
	memset(s->actions, THREAD_RUNS, sizeof(s->actions));
	if (action == THREAD_STEPS)
		s->actions[s->thread] = THREAD_STEPS;
	run(s);
}

/* ---- questions ---- */

static void supported(struct session *s, const char *p)
{
	s->swbreak = strstr(p, "swbreak+") != NULL;
	s->hwbreak = strstr(p, "hwbreak+") != NULL;
	vmm__packet_begin(&s->out);
	vmm__packet_text(&s->out, "PacketSize=%x;QStartNoAckMode+;qXfer:features:read+;vContSupported+;"
			 "swbreak+;hwbreak+", PACKET_MAX);
	vmm__packet_end(&s->out);
	s->answered = true;
}

/* qXfer:features:read:target.xml:offset,length */
static void features(struct session *s, const char *p)
{
	size_t total = strlen(s->arch->target);
	uint64_t offset, len;

	if (strncmp(p, "target.xml:", 11) != 0) {
		answer(s, "E00");
		return;
	}
	p += 11;
	if (!hex_then(&p, &offset, ',') || !hex_then(&p, &len, '\0') || offset > total) {
		answer_result(s, -EINVAL);
		return;
	}
	/* At worst every byte is escaped. */
	if (len > PACKET_MAX / 2 - 1)
		len = PACKET_MAX / 2 - 1;
	if (len > total - offset)
		len = total - offset;
	vmm__packet_begin(&s->out);
	vmm__packet_text(&s->out, "%s", offset + len < total ? "m" : "l");
	vmm__packet_binary(&s->out, s->arch->target + offset, (size_t)len);
	vmm__packet_end(&s->out);
	s->answered = true;
}

static void thread_list(struct session *s)
{
	vmm__packet_begin(&s->out);
	for (uint32_t i = 0; i < s->nr_threads; i++)
		vmm__packet_text(&s->out, "%c%x", i == 0 ? 'm' : ',', i + 1);
	vmm__packet_end(&s->out);
	s->answered = true;
}

static void thread_words(struct session *s, const char *p)
{
	char words[32] = "vCPU ";
	uint32_t thread, n = 5;

	if (!thread_number(s, &p, &thread)) {
		answer_result(s, -EINVAL);
		return;
	}
	for (uint32_t by = thread >= 100 ? 100 : thread >= 10 ? 10 : 1; by > 0; by /= 10)
		words[n++] = (char)('0' + thread / by % 10);
	vmm__packet_begin(&s->out);
	vmm__packet_hex(&s->out, words, n);
	vmm__packet_end(&s->out);
	s->answered = true;
}

static void question(struct session *s, const char *p)
{
	if (strncmp(p, "qSupported", 10) == 0) {
		supported(s, p);
	} else if (strncmp(p, "qXfer:features:read:", 20) == 0) {
		features(s, p + 20);
	} else if (strcmp(p, "qfThreadInfo") == 0) {
		thread_list(s);
	} else if (strcmp(p, "qsThreadInfo") == 0) {
		answer(s, "l");
	} else if (strncmp(p, "qThreadExtraInfo,", 17) == 0) {
		thread_words(s, p + 17);
	} else if (strcmp(p, "qC") == 0) {
		vmm__packet_begin(&s->out);
		vmm__packet_text(&s->out, "QC%x", s->thread + 1);
		vmm__packet_end(&s->out);
		s->answered = true;
	} else {
		answer(s, strcmp(p, "qAttached") == 0 ? "1" : "");
	}
}

static void choose_thread(struct session *s, const char *p)
{
	uint32_t thread;
	char what = *p;

	if (what == '\0' || (p++, !thread_number(s, &p, &thread))) {
		answer_result(s, -EINVAL);
		return;
	}
	/* Hc says who goes on, for commands that are older than vCont. */
	s->thread = thread;
	answer(s, "OK");
}

static void multi(struct session *s, const char *p)
{
	if (strncmp(p, "vCont?", 6) == 0) {
		answer(s, "vCont;c;C;s;S");
	} else if (strncmp(p, "vCont", 5) == 0) {
		vcont(s, p + 5);
	} else if (strncmp(p, "vKill", 5) == 0) {
		answer(s, "OK");
		s->over = true;
		s->ops->kill(s->target);
	} else {
		answer(s, "");
	}
}

static void command(struct session *s)
{
	const char *p = s->in.bytes;
	uint32_t thread;

	switch (*p) {
	case '?':
		answer_stop(s);
		break;
	case 'g':
		read_all_regs(s);
		break;
	case 'G':
		write_all_regs(s, p + 1);
		break;
	case 'p':
		read_reg(s, p + 1);
		break;
	case 'P':
		write_reg(s, p + 1);
		break;
	case 'm':
		read_memory(s, p + 1);
		break;
	case 'M':
		write_memory(s, p + 1);
		break;
	case 'X':
		write_binary(s, p + 1);
		break;
	case 'Z':
	case 'z':
		breakpoint(s, p + 1, *p == 'Z');
		break;
	case 'c':
	case 'C':
	case 's':
	case 'S':
		go_on(s, p);
		break;
	case 'H':
		choose_thread(s, p + 1);
		break;
	case 'T':
		p++;
		answer_result(s, thread_number(s, &p, &thread) ? 0 : -EINVAL);
		break;
	case 'q':
		question(s, p);
		break;
	case 'Q':
		s->no_ack_next = strcmp(p, "QStartNoAckMode") == 0;
		answer(s, s->no_ack_next ? "OK" : "");
		break;
	case 'v':
		multi(s, p);
		break;
	case 'D':
		answer(s, "OK");
		s->over = true;
		s->ops->detach(s->target);
		break;
	case 'k':
		s->over = true;
		s->ops->kill(s->target);
		break;
	default:
		answer(s, "");
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
		answer_stop(s);
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
