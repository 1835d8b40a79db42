/* SPDX-License-Identifier: MIT */
/* vsock.c - backends of socket devices: made from a table, and their figures. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "backends/vsock/vsock_priv.h"
#include "core/config_priv.h"
#include "core/error_priv.h"

int vmm_vsock_create(const struct vmm_vsock_ops *ops, void *state, struct vmm_vsock **ret_vsock)
{
	struct vmm_vsock_ops copy;
	struct vmm_vsock *vsock;
	int r;

	if (!ops || !ret_vsock)
		return vmm__fail(-EINVAL, "a socket backend needs a table and a place for it");
	r = vmm__config_copy(&copy, sizeof(copy), ops, ops->size, sizeof(copy.size));
	if (r < 0)
		return r;
	if (!copy.attach || !copy.write || !copy.read || !copy.closed || !copy.detach)
		return vmm__fail(-EINVAL,
				 "socket backend %s lacks attach, write, read, closed or detach",
				 copy.name ? copy.name : "without a name");

	vsock = calloc(1, sizeof(*vsock));
	if (!vsock)
		return vmm__fail(-ENOMEM, "no memory for a socket backend");
	vsock->ops = copy;
	vsock->state = state;
	*ret_vsock = vsock;
	return 0;
}

void vmm_vsock_destroy(struct vmm_vsock *vsock)
{
	if (!vsock)
		return;
	assert(!vsock->link);

	if (vsock->ops.destroy)
		vsock->ops.destroy(vsock->state);
	free(vsock);
}

int vmm_vsock_stats(const struct vmm_vsock *vsock, struct vmm_vsock_stats *ret_stats)
{
	struct vmm_vsock_stats stats;
	const uint64_t *from;
	uint64_t *to;

	if (!vsock || !ret_stats || ret_stats->size < sizeof(size_t))
		return vmm__fail(-EINVAL, "no backend, or no place for its figures");

	from = &vsock->stats.connections;
	to = &stats.connections;
	for (size_t i = 0; i < (sizeof(stats) - offsetof(struct vmm_vsock_stats, connections)) / 8; i++)
		to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
	vmm__config_answer(ret_stats, ret_stats->size, &stats, sizeof(stats));
	return 0;
}
