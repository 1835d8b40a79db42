/* SPDX-License-Identifier: MIT */
/*
 * session_data.c - gdb reads and writes registers and memory, and sets breakpoints.
 */
#include <errno.h>
#include <string.h>

#include "debug/session_parts_priv.h"

/* ---- registers and memory ---- */

void vmm__session_read_all_regs(struct session *s)
{
	int r = s->ops->read_regs(s->target, s->thread, s->block);

	if (r < 0) {
		vmm__session_result(s, r);
		return;
	}
	vmm__packet_begin(&s->out);
	vmm__packet_hex(&s->out, s->block, s->arch->block_bytes);
	vmm__packet_end(&s->out);
	s->answered = true;
}

void vmm__session_write_all_regs(struct session *s, const char *p)
{
	if (strlen(p) != 2 * s->arch->block_bytes ||
	    !vmm__packet_from_hex(p, s->block, s->arch->block_bytes))
		vmm__session_result(s, -EINVAL);
	else
		vmm__session_result(s, s->ops->write_regs(s->target, s->thread, s->block));
}

void vmm__session_read_reg(struct session *s, const char *p)
{
	uint32_t offset, bytes;
	uint64_t n;
	int r;

	if (!vmm__session_hex_then(&p, &n, '\0') || n > UINT32_MAX ||
	    !vmm__arch_gdb_place((uint32_t)n, &offset, &bytes)) {
		vmm__session_result(s, -EINVAL);
		return;
	}
	r = s->ops->read_regs(s->target, s->thread, s->block);
	if (r < 0) {
		vmm__session_result(s, r);
		return;
	}
	vmm__packet_begin(&s->out);
	vmm__packet_hex(&s->out, s->block + offset, bytes);
	vmm__packet_end(&s->out);
	s->answered = true;
}

void vmm__session_write_reg(struct session *s, const char *p)
{
	uint32_t offset, bytes;
	uint64_t n;
	int r = -EINVAL;

	if (vmm__session_hex_then(&p, &n, '=') && n <= UINT32_MAX &&
	    vmm__arch_gdb_place((uint32_t)n, &offset, &bytes) && strlen(p) == 2 * bytes) {
		r = s->ops->read_regs(s->target, s->thread, s->block);
		if (r == 0 && !vmm__packet_from_hex(p, s->block + offset, bytes))
			r = -EINVAL;
		if (r == 0)
			r = s->ops->write_regs(s->target, s->thread, s->block);
	}
	vmm__session_result(s, r);
}

void vmm__session_read_memory(struct session *s, const char *p)
{
	uint64_t address, len;
	int r;

	if (!vmm__session_hex_then(&p, &address, ',') || !vmm__session_hex_then(&p, &len, '\0')) {
		vmm__session_result(s, -EINVAL);
		return;
	}
	if (len > PACKET_MAX / 2)
		len = PACKET_MAX / 2;
	r = s->ops->read(s->target, s->thread, address, s->data, (size_t)len);
	if (r < 0) {
		vmm__session_result(s, r);
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

	vmm__session_result(s, r < 0 ? r : (uint64_t)r < len ? -EFAULT : 0);
}

void vmm__session_write_memory(struct session *s, const char *p)
{
	uint64_t address, len;

	if (!vmm__session_hex_then(&p, &address, ',') || !vmm__session_hex_then(&p, &len, ':') || len > sizeof(s->data) ||
	    strlen(p) != 2 * len || !vmm__packet_from_hex(p, s->data, (size_t)len))
		vmm__session_result(s, -EINVAL);
	else
		write_bytes(s, address, s->data, len);
}

/* Binary: the data may hold a NUL, so its length is that of the packet. */
void vmm__session_write_binary(struct session *s, const char *p)
{
	uint64_t address, len;
	size_t left;

	if (!vmm__session_hex_then(&p, &address, ',') || !vmm__session_hex_then(&p, &len, ':')) {
		vmm__session_result(s, -EINVAL);
		return;
	}
	left = s->in.len - (size_t)(p - s->in.bytes);
	memcpy(s->data, p, left);
	if (vmm__packet_unescape((char *)s->data, left) != len)
		vmm__session_result(s, -EINVAL);
	else
		write_bytes(s, address, s->data, len);
}

/* ---- breakpoints ---- */

void vmm__session_breakpoint(struct session *s, const char *p, bool insert)
{
	static const uint32_t kinds[] = {
		ARCH_WATCH_NONE, ARCH_WATCH_EXEC, ARCH_WATCH_WRITE, ARCH_WATCH_NONE, ARCH_WATCH_ACCESS,
	};
	struct arch_watch watch;
	uint64_t type, bytes;

	if (!vmm__session_hex_then(&p, &type, ',') ||
	    !vmm__session_hex_then(&p, &watch.address, ',') || !vmm__session_hex(&p, &bytes) ||
	    bytes > UINT32_MAX) {
		vmm__session_result(s, -EINVAL);
		return;
	}
	/* Watching reads alone (3) is not possible; conditions are gdb's business. */
	if (type > 4 || type == 3) {
		vmm__session_say(s, "");
		return;
	}
	watch.kind = kinds[type];
	watch.bytes = (uint32_t)bytes;
	vmm__session_result(s, insert ? s->ops->insert(s->target, s->thread, &watch)
				: s->ops->remove(s->target, &watch));
}
