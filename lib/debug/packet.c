/* SPDX-License-Identifier: MIT */
/* packet.c - bytes to packets and back; see "Remote Protocol" in gdb's manual, appendix E. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "debug/packet_priv.h"

enum { IDLE, BODY, SUM_HIGH, SUM_LOW };

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* ---- in ---- */

static enum packet_event take_idle(struct packet_in *in, uint8_t byte)
{
	switch (byte) {
	case '$':
		in->state = BODY;
		in->len = in->sum = in->told = 0;
		in->too_long = false;
		return PACKET_NOTHING;
	case 0x03:
		return PACKET_BREAK;
	case '-':
		return PACKET_NACK;
	default:
		return PACKET_NOTHING;
	}
}

static void take_body(struct packet_in *in, uint8_t byte)
{
	if (byte == '#') {
		in->state = SUM_HIGH;
		return;
	}
	in->sum = (uint8_t)(in->sum + byte);
	if (in->len < PACKET_MAX)
		in->bytes[in->len++] = (char)byte;
	else
		in->too_long = true;
}

static enum packet_event finish(struct packet_in *in, bool digits)
{
	in->state = IDLE;
	in->bytes[in->len] = '\0';
	return digits && in->told == in->sum && !in->too_long ? PACKET_WHOLE : PACKET_BAD;
}

enum packet_event vmm__packet_take(struct packet_in *in, uint8_t byte)
{
	int d = digit((char)byte);

	switch (in->state) {
	case BODY:
		take_body(in, byte);
		return PACKET_NOTHING;
	case SUM_HIGH:
		if (d < 0)
			return finish(in, false);
		in->told = (uint8_t)(d << 4);
		in->state = SUM_LOW;
		return PACKET_NOTHING;
	case SUM_LOW:
		in->told |= (uint8_t)(d < 0 ? 0 : d);
		return finish(in, d >= 0);
	default:
		return take_idle(in, byte);
	}
}

bool vmm__packet_from_hex(const char *hex, void *dst, size_t len)
{
	uint8_t *to = dst;

	for (size_t i = 0; i < len; i++) {
		int high = digit(hex[2 * i]), low = high < 0 ? -1 : digit(hex[2 * i + 1]);

		if (low < 0)
			return false;
		to[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

size_t vmm__packet_unescape(char *bytes, size_t len)
{
	size_t to = 0;

	for (size_t i = 0; i < len; i++) {
		if (bytes[i] == '}' && i + 1 < len)
			bytes[to++] = (char)(bytes[++i] ^ 0x20);
		else
			bytes[to++] = bytes[i];
	}
	return to;
}

/* ---- out ---- */

static const char digits[] = "0123456789abcdef";

/* Room for the data, with what follows it left free. */
static size_t room(const struct packet_out *out)
{
	return PACKET_MAX + 1 - out->len;
}

void vmm__packet_begin(struct packet_out *out)
{
	out->bytes[0] = '$';
	out->len = 1;
}

void vmm__packet_text(struct packet_out *out, const char *format, ...)
{
	char text[512];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= sizeof(text) || (size_t)n > room(out))
		return;
	memcpy(out->bytes + out->len, text, (size_t)n);
	out->len += (uint32_t)n;
}

void vmm__packet_hex(struct packet_out *out, const void *bytes, size_t len)
{
	const uint8_t *from = bytes;

	for (size_t i = 0; i < len && room(out) >= 2; i++) {
		out->bytes[out->len++] = digits[from[i] >> 4];
		out->bytes[out->len++] = digits[from[i] & 15];
	}
}

void vmm__packet_binary(struct packet_out *out, const void *bytes, size_t len)
{
	const char *from = bytes;

	for (size_t i = 0; i < len && room(out) >= 2; i++) {
		if (strchr("#$}*", from[i]) && from[i]) {
			out->bytes[out->len++] = '}';
			out->bytes[out->len++] = (char)(from[i] ^ 0x20);
		} else {
			out->bytes[out->len++] = from[i];
		}
	}
}

void vmm__packet_end(struct packet_out *out)
{
	uint8_t sum = 0;

	for (uint32_t i = 1; i < out->len; i++)
		sum = (uint8_t)(sum + (uint8_t)out->bytes[i]);
	/* The room for these was left free. */
	out->bytes[out->len++] = '#';
	out->bytes[out->len++] = digits[sum >> 4];
	out->bytes[out->len++] = digits[sum & 15];
}
