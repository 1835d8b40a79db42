/* SPDX-License-Identifier: MIT */
/* switch.c - a switch that joins guests of one process: making it, and taking its ports. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "backends/net/switch_priv.h"
#include "core/config_priv.h"
#include "core/error_priv.h"

#define AGEING_SECONDS	300u
#define AGEING_MAX	1000000u
#define BOX_KIB		2048u
#define BOX_KIB_MAX	(1u << 20)

int vmm_switch_create(const struct vmm_switch_config *config, struct vmm_switch **ret_switch)
{
	struct vmm_switch_config c = VMM_SWITCH_CONFIG_INIT;
	struct vmm_switch *sw;
	uint64_t seed;
	int r = 0;

	if (!ret_switch)
		return vmm__fail(-EINVAL, "vmm_switch_create: no place for the result");
	if (config)
		r = vmm__config_copy(&c, sizeof(c), config, config->size, sizeof(size_t));
	if (r < 0)
		return r;
	if (c.ageing_seconds == 0)
		c.ageing_seconds = AGEING_SECONDS;
	if (c.queue_kib == 0)
		c.queue_kib = BOX_KIB;
	if (c.reserved || c.ageing_seconds > AGEING_MAX || c.queue_kib > BOX_KIB_MAX ||
	    c.queue_kib < MAILBOX_BYTES_MIN >> 10)
		return vmm__fail(-EINVAL, "switch: ageing of %u s, %u KiB for each port",
				 c.ageing_seconds, c.queue_kib);
	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		return vmm__fail_errno("no random bytes for a switch");

	sw = calloc(1, sizeof(*sw));
	if (!sw)
		return vmm__fail(-ENOMEM, "no memory for a switch");
	pthread_mutex_init(&sw->lock, NULL);
	sw->box_bytes = (uint64_t)c.queue_kib << 10;
	vmm__macs_init(&sw->macs, c.ageing_seconds * 1000000000ull, seed);
	for (uint32_t i = 0; i < VMM_SWITCH_PORTS_MAX; i++) {
		sw->ports[i].sw = sw;
		sw->ports[i].index = i;
		pthread_mutex_init(&sw->ports[i].lock, NULL);
	}
	*ret_switch = sw;
	return 0;
}

int vmm_switch_destroy(struct vmm_switch *sw)
{
	uint32_t nr;

	if (!sw)
		return 0;
	pthread_mutex_lock(&sw->lock);
	nr = sw->nr_taken;
	pthread_mutex_unlock(&sw->lock);
	if (nr > 0)
		return vmm__fail(-EBUSY, "%u ports of the switch are in use", nr);

	for (uint32_t i = 0; i < VMM_SWITCH_PORTS_MAX; i++)
		pthread_mutex_destroy(&sw->ports[i].lock);
	pthread_mutex_destroy(&sw->lock);
	free(sw);
	return 0;
}

/* With the lock: a free port, unless another has @mac for its own. */
static int port_find(struct vmm_switch *sw, uint64_t mac, struct switch_port **ret_port)
{
	struct switch_port *free_one = NULL;

	for (uint32_t i = VMM_SWITCH_PORTS_MAX; i-- > 0;) {
		if (!sw->ports[i].taken)
			free_one = &sw->ports[i];
		else if (mac != 0 && sw->ports[i].mac == mac)
			return vmm__fail(-EADDRINUSE, "port %u of the switch has that address", i);
	}
	if (!free_one)
		return vmm__fail(-ENOSPC, "all %u ports of the switch are in use",
				 VMM_SWITCH_PORTS_MAX);
	*ret_port = free_one;
	return 0;
}

static int port_take(struct vmm_switch *sw, const struct vmm_net_switch_config *c,
		     struct switch_port **ret_port)
{
	uint64_t mac = macs_key(c->mac);
	struct switch_port *p = NULL;
	int r;

	pthread_mutex_lock(&sw->lock);
	r = port_find(sw, mac, &p);
	if (r == 0) {
		p->taken = true;
		__atomic_store_n(&p->mac, mac, __ATOMIC_RELAXED);
		p->queue_pairs = c->queue_pairs ? c->queue_pairs : 1;
		p->lost = 0;
		sw->nr_taken++;
		*ret_port = p;
	}
	pthread_mutex_unlock(&sw->lock);
	return r;
}

void vmm__switch_port_release(struct switch_port *p)
{
	struct vmm_switch *sw = p->sw;

	pthread_mutex_lock(&sw->lock);
	p->taken = false;
	__atomic_store_n(&p->mac, 0, __ATOMIC_RELAXED);
	sw->nr_taken--;
	pthread_mutex_unlock(&sw->lock);
}

int vmm_net_open_switch(const struct vmm_net_switch_config *config, struct vmm_netdev **ret_netdev)
{
	struct vmm_net_info info = VMM_NET_INFO_INIT;
	struct vmm_net_switch_config c;
	struct switch_port *p = NULL;
	int r;

	if (!config || !ret_netdev)
		return vmm__fail(-EINVAL,
				 "vmm_net_open_switch: a config and a place for the result");
	r = vmm__config_copy(&c, sizeof(c), config, config->size, sizeof(size_t));
	if (r < 0)
		return r;
	if (!c.sw || c.reserved || (c.mac[0] & 1) || c.queue_pairs > VMM_NET_QUEUE_PAIRS_MAX)
		return vmm__fail(-EINVAL, "a port needs a switch, an address of one, up to %u pairs",
				 VMM_NET_QUEUE_PAIRS_MAX);

	r = port_take(c.sw, &c, &p);
	if (r < 0)
		return r;
	info.takes = info.gives = VMM_NET_OFFLOADS;
	info.queue_pairs = p->queue_pairs;
	r = vmm_net_create(&vmm__switch_port_ops, p, &info, ret_netdev);
	if (r < 0)
		vmm__switch_port_release(p);
	return r;
}
