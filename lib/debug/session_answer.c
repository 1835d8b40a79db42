/* SPDX-License-Identifier: MIT */
/*
 * session_answer.c - the short answers to gdb, and the numbers in its packets.
 */
#include <stdlib.h>
#include <string.h>

#include "debug/session_parts_priv.h"

/* ---- answers ---- */

void vmm__session_say(struct session *s, const char *text)
{
	vmm__packet_begin(&s->out);
	vmm__packet_text(&s->out, "%s", text);
	vmm__packet_end(&s->out);
	s->answered = true;
}

void vmm__session_result(struct session *s, int r)
{
	vmm__packet_begin(&s->out);
	if (r < 0)
		vmm__packet_text(&s->out, "E%02x", (unsigned)-r & 0xff);
	else
		vmm__packet_text(&s->out, "OK");
	vmm__packet_end(&s->out);
	s->answered = true;
}

void vmm__session_stop(struct session *s)
{
	vmm__packet_begin(&s->out);
	vmm__packet_text(&s->out, "T%02x%sthread:%x;", s->signal, s->why, s->stopped + 1);
	vmm__packet_end(&s->out);
	s->answered = true;
}

/* ---- numbers ---- */

/* A hexadecimal number at *@p, which is moved behind it. */
bool vmm__session_hex(const char **p, uint64_t *ret_value)
{
	char *end;

	if (!strchr("0123456789abcdefABCDEF", **p) || !**p)
		return false;
	*ret_value = strtoull(*p, &end, 16);
	*p = end;
	return true;
}

/* The same, and the character that follows. */
bool vmm__session_hex_then(const char **p, uint64_t *ret_value, char then)
{
	if (!vmm__session_hex(p, ret_value) || **p != then)
		return false;
	if (then)
		++*p;
	return true;
}

/* A thread's number as gdb has them: from 1 on; 0 and -1 stand for any. */
bool vmm__session_thread(struct session *s, const char **p, uint32_t *ret_thread)
{
	uint64_t n;

	if (strncmp(*p, "-1", 2) == 0) {
		*p += 2;
		*ret_thread = s->stopped;
		return true;
	}
	if (!vmm__session_hex(p, &n) || n > s->nr_threads)
		return false;
	*ret_thread = n == 0 ? s->stopped : (uint32_t)n - 1;
	return true;
}
