/* SPDX-License-Identifier: MIT */
/* nbd_open.c - a network disk: connected for the first time, and what it is like. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/config_priv.h"
#include "core/error_priv.h"

#ifndef HAVE_LIBNBD

#include <libvmm/block.h>

int vmm_blk_open_nbd(const struct vmm_blk_nbd_config *config, struct vmm_blk **ret_blk)
{
	return vmm__fail(-EOPNOTSUPP, "this libvmm was built without libnbd");
}

#else

#include "backends/block/nbd_priv.h"

#define BLOCK_MAX	4096
#define TIMEOUT_MS	30000u
#define RECONNECT_MS	30000u
#define MS		1000000ull

static bool power_of_two(int64_t n)
{
	return n > 0 && (n & (n - 1)) == 0;
}

/* All that a server says is checked: it is a peer like any other. */
int vmm__nbd_describe(struct nbd_handle *handle, uint32_t flags, struct vmm_blk_info *ret_info,
		      uint32_t *ret_most)
{
	struct vmm_blk_info info = VMM_BLK_INFO_INIT;
	int64_t size = nbd_get_size(handle);
	int64_t least = nbd_get_block_size(handle, LIBNBD_SIZE_MINIMUM);
	int64_t best = nbd_get_block_size(handle, LIBNBD_SIZE_PREFERRED);
	int64_t most = nbd_get_block_size(handle, LIBNBD_SIZE_MAXIMUM);

	if (least < 512)
		least = 512;
	if (!power_of_two(least) || least > BLOCK_MAX)
		return vmm__fail(-EINVAL, "this server wants blocks of %lld bytes", (long long)least);
	if (size < least)
		return vmm__fail(-EINVAL, "this server's disk has %lld bytes", (long long)size);

	info.block_size = (uint32_t)least;
	info.capacity = (uint64_t)(size - size % least);
	if (power_of_two(best) && best >= least && best <= 64 << 10)
		info.physical_block_size = (uint32_t)best;
	if (most <= 0 || most > NBD_MOVE_MAX)
		most = NBD_MOVE_MAX;
	*ret_most = (uint32_t)(most - most % least);
	if (*ret_most < BLOCK_MAX)
		return vmm__fail(-EINVAL, "this server moves no more than %lld bytes at a time",
				 (long long)most);

	if (nbd_can_flush(handle) > 0)
		info.flags |= VMM_BLK_CAN_FLUSH;
	if (flags & VMM_BLK_READ_ONLY) {
		info.flags |= VMM_BLK_READ_ONLY;
	} else {
		if (nbd_is_read_only(handle) != 0)
			return vmm__fail(-EROFS, "this server only lets its disk be read: use "
					 "VMM_BLK_READ_ONLY");
		info.flags |= (nbd_can_fua(handle) > 0 ? VMM_BLK_CAN_THROUGH : 0u) |
			      (nbd_can_trim(handle) > 0 ? VMM_BLK_CAN_DISCARD : 0u) |
			      (nbd_can_zero(handle) > 0 ? VMM_BLK_CAN_ZERO : 0u);
	}
	*ret_info = info;
	return 0;
}

/* In the caller's thread, until it is ready or the time is over. */
static int connect_first(struct blk_nbd *nbd)
{
	uint64_t end = vmm__nbd_clock() + nbd->timeout_ns;
	int r = vmm__nbd_connect(nbd, &nbd->handle);

	while (r == 0 && !nbd_aio_is_ready(nbd->handle)) {
		uint64_t now = vmm__nbd_clock();
		int error = 0;

		if (now >= end)
			return vmm__fail(-ETIMEDOUT, "no answer from %s", nbd->uri);
		if (nbd_poll(nbd->handle, (int)((end - now) / MS) + 1) < 0 ||
		    nbd_aio_is_dead(nbd->handle) || nbd_aio_is_closed(nbd->handle)) {
			error = nbd_get_errno();
			return vmm__fail(error > 0 ? -error : -EIO, "cannot connect to %s: %s",
					 nbd->uri, nbd_get_error());
		}
	}
	return r;
}

static int config_check(struct vmm_blk_nbd_config *c)
{
	const uint32_t known = VMM_BLK_READ_ONLY | VMM_BLK_NBD_KEEPS;

	if (!c->uri)
		return vmm__fail(-EINVAL, "a network disk needs a URI: nbd://HOST/EXPORT, or "
				 "nbd+unix:///EXPORT?socket=PATH");
	if (c->flags & ~known)
		return vmm__fail(-EINVAL, "network disk flags 0x%x are not known", c->flags & ~known);
	if (c->timeout_ms == 0)
		c->timeout_ms = TIMEOUT_MS;
	if (c->reconnect_ms == 0)
		c->reconnect_ms = RECONNECT_MS;
	return 0;
}

static struct blk_nbd *nbd_make(const struct vmm_blk_nbd_config *c)
{
	struct blk_nbd *nbd = calloc(1, sizeof(*nbd));

	if (!nbd)
		return NULL;
	nbd->uri = strdup(c->uri);
	if (!nbd->uri) {
		free(nbd);
		return NULL;
	}
	nbd->flags = c->flags;
	nbd->timeout_ns = c->timeout_ms * MS;
	nbd->patience_ns = c->reconnect_ms * MS;
	nbd->fd = -1;
	nbd->last = &nbd->first;
	nbd->ready.last = &nbd->ready.first;
	nbd->answered.last = &nbd->answered.first;
	nbd->free.last = &nbd->free.first;
	for (uint32_t i = 0; i < NBD_PIECES; i++) {
		nbd->pieces[i].nbd = nbd;
		*nbd->free.last = &nbd->pieces[i];
		nbd->free.last = &nbd->pieces[i].next;
	}
	return nbd;
}

int vmm_blk_open_nbd(const struct vmm_blk_nbd_config *config, struct vmm_blk **ret_blk)
{
	struct vmm_blk_nbd_config c;
	struct blk_nbd *nbd;
	int r;

	if (!config || !ret_blk)
		return vmm__fail(-EINVAL, "a network disk needs a config and a place to put it");
	r = vmm__config_copy(&c, sizeof(c), config, config->size, sizeof(c.size));
	if (r == 0)
		r = config_check(&c);
	if (r < 0)
		return r;
	nbd = nbd_make(&c);
	if (!nbd)
		return vmm__fail(-ENOMEM, "no memory for a network disk");

	r = connect_first(nbd);
	if (r == 0)
		r = vmm__nbd_describe(nbd->handle, nbd->flags, &nbd->info, &nbd->most);
	if (r == 0) {
		nbd->connected = true;
		nbd->heard_ns = vmm__nbd_clock();
		r = vmm_blk_create(&vmm__nbd_ops, nbd, &nbd->info, ret_blk);
	}
	if (r < 0)
		vmm__nbd_ops.destroy(nbd);
	return r;
}

#endif
