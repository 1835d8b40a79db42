/* SPDX-License-Identifier: MIT */
/*
 * session_query.c - what gdb asks: what is supported, which threads there are, what the registers are called.
 */
#include <errno.h>
#include <string.h>

#include "debug/session_parts_priv.h"

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
		vmm__session_say(s, "E00");
		return;
	}
	p += 11;
	if (!vmm__session_hex_then(&p, &offset, ',') || !vmm__session_hex_then(&p, &len, '\0') || offset > total) {
		vmm__session_result(s, -EINVAL);
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

	if (!vmm__session_thread(s, &p, &thread)) {
		vmm__session_result(s, -EINVAL);
		return;
	}
	for (uint32_t by = thread >= 100 ? 100 : thread >= 10 ? 10 : 1; by > 0; by /= 10)
		words[n++] = (char)('0' + thread / by % 10);
	vmm__packet_begin(&s->out);
	vmm__packet_hex(&s->out, words, n);
	vmm__packet_end(&s->out);
	s->answered = true;
}

void vmm__session_question(struct session *s, const char *p)
{
	if (strncmp(p, "qSupported", 10) == 0) {
		supported(s, p);
	} else if (strncmp(p, "qXfer:features:read:", 20) == 0) {
		features(s, p + 20);
	} else if (strcmp(p, "qfThreadInfo") == 0) {
		thread_list(s);
	} else if (strcmp(p, "qsThreadInfo") == 0) {
		vmm__session_say(s, "l");
	} else if (strncmp(p, "qThreadExtraInfo,", 17) == 0) {
		thread_words(s, p + 17);
	} else if (strcmp(p, "qC") == 0) {
		vmm__packet_begin(&s->out);
		vmm__packet_text(&s->out, "QC%x", s->thread + 1);
		vmm__packet_end(&s->out);
		s->answered = true;
	} else {
		vmm__session_say(s, strcmp(p, "qAttached") == 0 ? "1" : "");
	}
}
