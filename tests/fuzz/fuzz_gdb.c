/* SPDX-License-Identifier: MIT */
/*
 * fuzz_gdb.c - a debugger that says anything. Packets get their checksums from here, so that the
 * fuzzer spends its time on what is in them; the first byte says whether it does.
 */
#include <assert.h>

#include "../unit/fake_target.h"
#include "input.h"

static struct session session;
static char out[SESSION_SEND_MAX];

static void feed(const void *bytes, size_t len)
{
	const char *from = bytes;

	while (len > 0 && !session.over) {
		size_t taken = vmm__session_feed(&session, from, len);
		size_t sent = vmm__session_take(&session, out);

		assert(taken <= len && sent <= sizeof(out));
		assert(taken > 0 || sent > 0);
		from += taken;
		len -= taken;
		if (session.running) {
			const struct arch_watch watch = { .kind = ARCH_WATCH_WRITE };

			vmm__session_stopped(&session, (uint32_t)len % 4, (enum session_stop)(len % 6), &watch);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char packet[5000];

	memset(&fake, 0, sizeof(fake));
	vmm__session_init(&session, &fake_target_ops, NULL, 4);
	if (size == 0)
		return 0;
	if (data[0] & 1) {
		feed(data + 1, size - 1);
		return 0;
	}

	/* Lines are packets. */
	for (data++, size--; size > 0;) {
		const uint8_t *end = memchr(data, '\n', size);
		size_t len = end ? (size_t)(end - data) : size;
		uint8_t sum = 0;

		len = len < sizeof(packet) - 4 ? len : sizeof(packet) - 4;
		packet[0] = '$';
		for (size_t i = 0; i < len; i++) {
			packet[i + 1] = (char)(data[i] == '#' ? '"' : data[i]);
			sum = (uint8_t)(sum + (uint8_t)packet[i + 1]);
		}
		packet[len + 1] = '#';
		packet[len + 2] = "0123456789abcdef"[sum >> 4];
		packet[len + 3] = "0123456789abcdef"[sum & 15];
		feed(packet, len + 4);
		data += len;
		size -= len;
		if (size > 0 && *data == '\n') {
			data++;
			size--;
		}
	}
	return 0;
}
