/* SPDX-License-Identifier: MIT */
/* idle.c - a guest that brings its devices up and then sleeps for ever. */
#include <linux/virtio_ids.h>

#include "virtio.h"

void guest_main(void)
{
	static const struct {
		uint32_t id;
		uint32_t nr_rings;
	} kinds[] = {
		{ VIRTIO_ID_BLOCK, 1 }, { VIRTIO_ID_NET, 2 }, { VIRTIO_ID_CONSOLE, 2 }, { VIRTIO_ID_RNG, 1 },
	};
	const uint32_t transport = param(PARAM_TRANSPORT);
	static struct device devices[4];

	for (uint32_t i = 0; i < 4; i++) {
		CHECK(device_find(&devices[i], transport, kinds[i].id), i);
		device_up(&devices[i], 0, kinds[i].nr_rings);
	}
	step(STEP_UP);
}
